from datetime import timedelta
from typing import Annotated, Self

from pydantic import BaseModel, Field, PositiveInt, model_validator

from auth_service.domain.passwords import FEWEST_CHARACTERS, HashingCost
from auth_service.domain.sessions import SessionLimits
from auth_service.mail_settings import MailSettings
from common.blobs import StorageSettings
from common.contracts.topics import SERVICES
from common.crypto import KeysSettings
from common.settings import ApiSettings, WorkerSettings


class HashingSettings(BaseModel):
    at_once: int = Field(default=2, ge=1, le=64)
    waiting: int = Field(default=64, ge=0, le=10_000)
    memory_kib: int = Field(default=19_456, ge=7_168, le=131_072)
    """Of one hash; the least and the most that OWASP's choices and a login's patience leave room for."""
    passes: int = Field(default=2, ge=1, le=10)
    lanes: int = Field(default=1, ge=1, le=4)

    @property
    def cost(self) -> HashingCost:
        return HashingCost(memory_kib=self.memory_kib, passes=self.passes, lanes=self.lanes)


class PasswordSettings(BaseModel):
    fewest_characters: int = Field(default=FEWEST_CHARACTERS, ge=FEWEST_CHARACTERS, le=64)
    """NIST asks for 15 where a password is all that is asked for."""


class SessionSettings(BaseModel):
    idle_days: PositiveInt = 30
    """A session that is not refreshed for so long ends."""
    absolute_days: PositiveInt = 180
    """A session ends at last, however busy it is."""
    most: PositiveInt = 50
    """Of one user; one more ends the one that was not seen for longest."""

    @property
    def limits(self) -> SessionLimits:
        return SessionLimits(
            idle=timedelta(days=self.idle_days), absolute=timedelta(days=self.absolute_days), most=self.most
        )


class ExportSettings(BaseModel):
    services: dict[str, Annotated[str, Field(pattern=r"^https://[^/@?#\s]+$")] | None]
    """Where the internal port of each service's api is; null for one that is not installed."""

    @model_validator(mode="after")
    def _names_each_service(self) -> Self:
        if set(self.services) != set(SERVICES):
            raise ValueError(
                f"EXPORTS_SERVICES names other services than {', '.join(SERVICES)}: "
                "write null for one that is not installed"
            )
        return self


class IssuerSettings(BaseModel):
    issuer: str
    """As the api is told it: the worker signs its own tokens for other services."""


class AuthApiSettings(ApiSettings):
    keys: KeysSettings
    hashing: HashingSettings = Field(default_factory=HashingSettings)
    passwords: PasswordSettings = Field(default_factory=PasswordSettings)
    sessions: SessionSettings = Field(default_factory=SessionSettings)
    # made when nothing is set, so that it says itself what it needs
    storage: StorageSettings = Field(default_factory=StorageSettings)

    @model_validator(mode="after")
    def _files_travel_sealed(self) -> Self:
        if self.environment == "production":
            self.storage.refuse_what_is_for_development()
        return self


class SigningSettings(BaseModel):
    rotate_days: PositiveInt = 90
    """A signing key is followed by another so often."""

    @property
    def rotate_every(self) -> timedelta:
        return timedelta(days=self.rotate_days)


class CleanUpSettings(BaseModel):
    kept_days: PositiveInt = 7
    """Sessions that ended and links of mails that expired are kept so long."""

    @property
    def kept(self) -> timedelta:
        return timedelta(days=self.kept_days)


class AuthWorkerSettings(WorkerSettings):
    keys: KeysSettings
    token: IssuerSettings
    mail: MailSettings
    exports: ExportSettings
    # made when nothing is set, so that it says itself what it needs
    storage: StorageSettings = Field(default_factory=StorageSettings)
    signing: SigningSettings = Field(default_factory=SigningSettings)
    clean_up: CleanUpSettings = Field(default_factory=CleanUpSettings)

    @model_validator(mode="after")
    def _nothing_travels_for_everybody_to_read(self) -> Self:
        if self.environment == "production":
            self.mail.refuse_what_is_for_development()
            self.storage.refuse_what_is_for_development()
        return self
