"""A lock in Redis: it saves work and decides nothing. The claim in PostgreSQL decides (ADR 0013)."""

from common.locks.lock import Lock, Locks
from common.locks.outcome import Outcome

__all__ = ["Lock", "Locks", "Outcome"]
