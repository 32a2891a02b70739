from typing import Self

from pydantic import BaseModel, Field, PositiveInt, SecretStr, model_validator

from common.settings import ApiSettings, WorkerSettings


class KeysSettings(BaseModel):
    encryption: dict[str, SecretStr]
    """Key ids and their 32 bytes in base64; values sealed with an older key still open."""
    active: str

    @model_validator(mode="after")
    def _active_is_there(self) -> Self:
        if self.active not in self.encryption:
            raise ValueError("KEYS_ACTIVE names a key that KEYS_ENCRYPTION does not hold")
        return self


class HashingSettings(BaseModel):
    at_once: PositiveInt = 2
    waiting: PositiveInt = 64


class AuthApiSettings(ApiSettings):
    keys: KeysSettings
    hashing: HashingSettings = Field(default_factory=HashingSettings)


class AuthWorkerSettings(WorkerSettings):
    keys: KeysSettings
