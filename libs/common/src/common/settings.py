"""What a process is told from outside: environment variables, read once at start."""

import base64
import binascii
import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    Field,
    IPvAnyNetwork,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

Environment = Literal["development", "test", "production"]
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:]+\](:[0-9]{1,5})?")


class DatabaseSettings(BaseModel):
    url: SecretStr
    probe_url: SecretStr | None = None
    """Where readiness asks; an alias of its own, so that a full pool does not make a replica unready."""
    certificates: Path | None = None
    """A folder with the files of TLS by any of the usual names, as secrets are mounted."""
    pooler: Literal["auto", "none", "session", "transaction"] = "auto"
    prepared_statements: bool = False
    """True only behind a pooler that supports them (PgBouncer 1.21 with max_prepared_statements)."""
    pool_size: PositiveInt = 10
    """Connections that this process keeps; behind a pooler, its share of it."""
    pool_overflow: NonNegativeInt | None = None
    """Connections beyond that, closed after use: 15 unless told, behind a pooler none."""
    pool_wait_seconds: Annotated[float, Field(gt=0, le=3)] = 2.0
    recycle_seconds: PositiveFloat = 1800.0
    long_checkout_seconds: PositiveFloat = 5.0

    @property
    def overflow(self) -> int:
        if self.pool_overflow is not None:
            return self.pool_overflow
        return 15 if self.pooler == "none" else 0


class RedisSettings(BaseModel):
    url: SecretStr
    ca_file: Path | None = None
    prefix: str
    """What the names of this service's keys and channels begin with, `auth:` for example."""


class KafkaSettings(BaseModel):
    bootstrap: str
    ca_file: Path
    certificate_file: Path
    key_file: Path
    installation: str = ""
    """Set before every topic, group and transactional id, so that several installations share a cluster."""


class HttpSettings(BaseModel):
    host: str = "127.0.0.1"
    port: PositiveInt
    body_limit_bytes: PositiveInt = 1_048_576
    request_deadline_seconds: PositiveFloat = 15.0
    cors_origins: tuple[str, ...] = ()
    """Pages of these origins may call, with credentials; with `*` any page may, without them."""
    trusted_proxies: tuple[IPvAnyNetwork, ...] = ()
    """Whose X-Forwarded-For is believed; without any the caller is whoever connects."""
    rate_limits: dict[str, Annotated[str, Field(pattern=r"^[1-9][0-9]{0,8}/[1-9][0-9]{0,6}$")]] = Field(
        default_factory=dict
    )
    """Limits by name, where others than the built-in ones are wanted: `20/60` is twenty in a minute."""
    cursor_keys: tuple[SecretStr, ...] = ()
    """32 bytes in base64 each: the first signs the cursors of lists, all are honoured."""

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        # what is no origin may be anything, a secret too: its place is told, not what it is
        for place, origin in enumerate(origins, start=1):
            if origin != "*" and _ORIGIN.fullmatch(origin) is None:
                raise ValueError(
                    f"HTTP_CORS_ORIGINS holds no origin at place {place}: "
                    "an origin is https://app.example, without a path"
                )
        if "*" in origins and len(origins) > 1:
            raise ValueError("HTTP_CORS_ORIGINS holds * and origins: * lets every page call already")
        return origins

    @field_validator("cursor_keys")
    @classmethod
    def _are_keys(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for key in keys:
            try:
                length = len(base64.b64decode(key.get_secret_value(), validate=True))
            except binascii.Error:
                length = 0
            if length != 32:
                raise ValueError("HTTP_CURSOR_KEYS holds a key that is not 32 bytes in base64")
        return keys


class InternalSettings(BaseModel):
    """The port of other services and the operator: TLS with the installation's own authority."""

    host: str = "127.0.0.1"
    port: PositiveInt
    ca_file: Path
    certificate_file: Path
    key_file: Path


class ProbeSettings(BaseModel):
    host: str = "127.0.0.1"
    port: PositiveInt


class DrainSettings(BaseModel):
    delay_seconds: NonNegativeFloat = 5.0
    """How long a process serves on after it began to answer 503 at /readyz."""
    grace_seconds: PositiveFloat = 25.0
    """All of the drain, the delay included; below Kubernetes' terminationGracePeriodSeconds."""

    @model_validator(mode="after")
    def _delay_fits_into_grace(self) -> Self:
        if self.delay_seconds >= self.grace_seconds:
            raise ValueError("DRAIN_DELAY_SECONDS must be shorter than DRAIN_GRACE_SECONDS")
        return self


class TelemetrySettings(BaseModel):
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    otlp_endpoint: Annotated[str, Field(pattern=r"^https?://[^@]+$")] | None = None
    """Where traces go, as OTLP over HTTP; a name and a password go into OTEL_EXPORTER_OTLP_HEADERS."""
    sample_ratio: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Of the traces that begin here; one that a caller began is recorded when the caller does."""


class TokenSettings(BaseModel):
    issuer: str
    audience: str = "quartet"
    jwks_url: str


class LegacySettings(BaseModel):
    """Tokens of an older system, taken until the sunset; none are without a secret."""

    secret: SecretStr | None = None
    sunset: AwareDatetime | None = None
    scopes: tuple[str, ...] = ()
    """All that they may do: what they say of scopes and roles themselves is not read."""

    @model_validator(mode="after")
    def _has_an_end_and_a_secret_worth_its_name(self) -> Self:
        if (self.secret is None) != (self.sunset is None):
            raise ValueError("LEGACY_SECRET and LEGACY_SUNSET go together: set both or none")
        secret = "" if self.secret is None else self.secret.get_secret_value()
        if self.secret is not None and len(secret.encode()) < 32:
            raise ValueError("LEGACY_SECRET is shorter than 32 bytes: it can be guessed from one token")
        if secret.lstrip().startswith(("-----BEGIN", "{", "ssh-")):
            raise ValueError("LEGACY_SECRET looks like a key file; a public key is no secret")
        return self


class Settings(BaseSettings):
    """`DATABASE_POOL_SIZE` sets `database.pool_size`: group first, the setting after it."""

    model_config = SettingsConfigDict(
        env_nested_delimiter="_", env_nested_max_split=1, extra="ignore", frozen=True
    )

    environment: Environment
    database: DatabaseSettings
    redis: RedisSettings
    internal: InternalSettings
    probe: ProbeSettings
    drain: DrainSettings = Field(default_factory=DrainSettings)
    telemetry: TelemetrySettings = Field(default_factory=TelemetrySettings)


class ApiSettings(Settings):
    http: HttpSettings
    token: TokenSettings
    legacy: LegacySettings = Field(default_factory=LegacySettings)

    @model_validator(mode="after")
    def _cursors_outlive_a_process(self) -> Self:
        if self.environment == "production" and not self.http.cursor_keys:
            raise ValueError(
                "HTTP_CURSOR_KEYS is not set: set it to a list of one key, 32 random bytes in base64, "
                "the same for all replicas"
            )
        return self


class JobsSettings(BaseModel):
    kept_days: PositiveInt = 14
    """How long a finished job can be looked at, and a failed one tried again."""


class ParkedSettings(BaseModel):
    kept_days: Annotated[int, Field(ge=37)] = 90
    """How long a parked message waits to be replayed or dropped; never less than the inbox remembers."""


class WorkerSettings(Settings):
    kafka: KafkaSettings
    jobs: JobsSettings = Field(default_factory=JobsSettings)
    parked: ParkedSettings = Field(default_factory=ParkedSettings)


class MigrationSettings(BaseSettings):
    """A migration needs the owner's own connection and nothing else."""

    model_config = SettingsConfigDict(
        env_nested_delimiter="_", env_nested_max_split=1, extra="ignore", frozen=True
    )

    environment: Environment
    database: DatabaseSettings
