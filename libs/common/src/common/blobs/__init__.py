"""Files by name, in a folder or in object storage; what is known of them stands in a database (ADR 0028)."""

from common.blobs.opening import open_blobs
from common.blobs.settings import StorageSettings
from common.blobs.store import Blobs

__all__ = ["Blobs", "StorageSettings", "open_blobs"]
