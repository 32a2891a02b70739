from common.audit import audit

__all__ = ["audit"]
