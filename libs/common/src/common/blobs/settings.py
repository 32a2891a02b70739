from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import BaseModel, Field, SecretStr, model_validator

_OF_A_BUCKET: Final = ("endpoint", "access_key", "secret_key")


class StorageSettings(BaseModel):
    """A folder, or a bucket of S3-compatible storage."""

    folder: Path | None = None
    """Absolute; all replicas and the worker see the same one."""
    bucket: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")] | None = None
    """It is there already: nothing here makes buckets."""
    endpoint: Annotated[str, Field(pattern=r"^https?://[^/@?#\s]+$")] | None = None
    """Where the storage answers, without the bucket: that goes into the path."""
    region: str = "us-east-1"
    access_key: SecretStr | None = None
    secret_key: SecretStr | None = None
    ca_file: Path | None = None
    """Authorities to trust besides the well-known ones."""
    timeout_seconds: Annotated[float, Field(gt=0, le=10)] = 5.0
    """Of one use, tries included; below the deadline of a request."""

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if (self.folder is None) == (self.bucket is None):
            raise ValueError("set either STORAGE_FOLDER, or STORAGE_BUCKET and what goes with it")
        if self.folder is not None and not self.folder.is_absolute():
            raise ValueError("STORAGE_FOLDER is not absolute: it would depend on where a process was started")
        lacking = [name for name in _OF_A_BUCKET if getattr(self, name) is None]
        if self.bucket is not None and lacking:
            names = ", ".join(f"STORAGE_{name.upper()}" for name in lacking)
            raise ValueError(f"STORAGE_BUCKET is set without {names}")
        return self

    def refuse_what_is_for_development(self) -> None:
        """Signatures keep strangers from writing; without TLS everybody in between reads along."""
        if self.endpoint is not None and not self.endpoint.startswith("https://"):
            raise ValueError("STORAGE_ENDPOINT is not https://, and files of people would travel in the open")
