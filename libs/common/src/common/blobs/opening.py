from common.blobs.folder import FolderBlobs
from common.blobs.s3 import S3Blobs
from common.blobs.settings import StorageSettings
from common.blobs.store import Blobs


def open_blobs(settings: StorageSettings) -> Blobs:
    """Asks nobody yet: a storage that is away is told of when it is used."""
    if settings.folder is not None:
        return FolderBlobs(settings.folder, timeout_seconds=settings.timeout_seconds)
    return S3Blobs(settings)
