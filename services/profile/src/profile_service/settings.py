from typing import Self

from pydantic import Field, model_validator

from common.blobs import StorageSettings
from common.settings import ApiSettings, WorkerSettings


class ProfileApiSettings(ApiSettings):
    # made when nothing is set, so that it says itself what it needs
    storage: StorageSettings = Field(default_factory=StorageSettings)

    @model_validator(mode="after")
    def _pictures_travel_sealed(self) -> Self:
        if self.environment == "production":
            self.storage.refuse_what_is_for_development()
        return self


class ProfileWorkerSettings(WorkerSettings):
    # made when nothing is set, so that it says itself what it needs
    storage: StorageSettings = Field(default_factory=StorageSettings)

    @model_validator(mode="after")
    def _pictures_travel_sealed(self) -> Self:
        if self.environment == "production":
            self.storage.refuse_what_is_for_development()
        return self
