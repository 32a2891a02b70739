from pydantic import BaseModel, Field, PositiveInt

from common.crypto import KeysSettings
from common.settings import ApiSettings, WorkerSettings


class HashingSettings(BaseModel):
    at_once: PositiveInt = 2
    waiting: PositiveInt = 64


class AuthApiSettings(ApiSettings):
    keys: KeysSettings
    hashing: HashingSettings = Field(default_factory=HashingSettings)


class AuthWorkerSettings(WorkerSettings):
    keys: KeysSettings
