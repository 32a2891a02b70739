import re
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from obstore.exceptions import BaseError
from obstore.store import S3Store

from common.blobs.settings import StorageSettings
from common.blobs.store import Blobs, StorageError

if TYPE_CHECKING:
    from obstore.store import ClientConfig

_CODE: Final = re.compile(r"<Code>([A-Za-z0-9]{1,64})</Code>")
_STATUS: Final = re.compile(r"status code: ([0-9]{3})")
_MEANING: Final = {
    "AccessDenied": "the key of STORAGE_ACCESS_KEY may not do this",
    "AuthorizationHeaderMalformed": "STORAGE_REGION is not the bucket's",
    "InvalidAccessKeyId": "STORAGE_ACCESS_KEY is not known there",
    "NoSuchBucket": "STORAGE_BUCKET is not there",
    "PermanentRedirect": "STORAGE_REGION or STORAGE_ENDPOINT is not the bucket's",
    "RequestTimeTooSkewed": "this machine's clock is wrong",
    "SignatureDoesNotMatch": "STORAGE_SECRET_KEY does not belong to STORAGE_ACCESS_KEY",
}
_NOT_THERE: Final = "NoSuchKey"


class S3Blobs(Blobs):
    def __init__(self, settings: StorageSettings) -> None:
        super().__init__(timeout_seconds=settings.timeout_seconds)
        self._store = _open(settings)

    def _put(self, name: str, content: bytes) -> None:
        # in one piece: it is there as a whole or not at all, and leaves no parts behind
        with _faults():
            self._store.put(name, content, use_multipart=False)

    def _get(self, name: str) -> bytes | None:
        with _faults():
            try:
                return bytes(self._store.get(name).bytes())
            except FileNotFoundError as error:
                return _absent(error)

    def _delete(self, name: str) -> None:
        with _faults():
            try:
                self._store.delete(name)
            except FileNotFoundError as error:
                _absent(error)

    def _names(self, prefix: str) -> list[str]:
        with _faults():
            return [one["path"] for one in self._store.list(prefix).collect()]


def _open(settings: StorageSettings) -> S3Store:
    """All that it is told stands here: nothing is taken from variables that AWS' own programs read."""
    patience = timedelta(seconds=settings.timeout_seconds)
    endpoint, bucket = str(settings.endpoint), str(settings.bucket)
    access_key, secret_key = settings.access_key, settings.secret_key
    if access_key is None or secret_key is None:
        raise ValueError("a bucket without its keys")  # which the settings refuse
    key, secret = access_key.get_secret_value(), secret_key.get_secret_value()
    client: ClientConfig = {
        "allow_http": endpoint.startswith("http://"),
        "connect_timeout": patience / 2,
        "timeout": patience,
    }
    if settings.ca_file is not None:
        client["root_certificate"] = settings.ca_file.read_bytes()
    return S3Store(
        bucket,
        config={
            "aws_endpoint_url_s3": endpoint,
            "endpoint": endpoint,
            "region": settings.region,
            "disable_bulk_delete": True,
            "virtual_hosted_style_request": False,
        },
        # not as a part of the configuration, which may be shown
        credential_provider=lambda: {
            "access_key_id": key,
            "secret_access_key": secret,
            "token": None,
            "expires_at": None,
        },
        client_options=client,
        retry_config={
            "max_retries": 2,
            "retry_timeout": patience,
            "backoff": {"init_backoff": timedelta(milliseconds=50), "max_backoff": timedelta(seconds=1)},
        },
    )


@contextmanager
def _faults() -> Generator[None]:
    try:
        yield
    # the client raises Python's own error for what is not there
    except (BaseError, FileNotFoundError) as error:
        raise StorageError(_words(error)) from None


def _absent(error: FileNotFoundError) -> None:
    """Of a blob; a bucket that is not there is another matter."""
    if _code(error) != _NOT_THERE:
        raise error


def _code(error: Exception) -> str | None:
    found = _CODE.search(str(error))
    return None if found is None else found[1]


def _words(error: Exception) -> str:
    """By the storage's code alone: its text repeats keys and what was signed."""
    code = _code(error)
    if code is not None:
        return f"{code}: {_MEANING.get(code, 'the storage refuses')}"
    status = _STATUS.search(str(error))
    return "STORAGE_ENDPOINT cannot be reached" if status is None else f"the storage answers {status[1]}"
