from typing import Self

from pydantic import model_validator

from common.blobs import StorageSettings
from common.settings import ApiSettings, WorkerSettings


class ProfileApiSettings(ApiSettings):
    storage: StorageSettings

    @model_validator(mode="after")
    def _pictures_travel_sealed(self) -> Self:
        if self.environment == "production":
            self.storage.refuse_what_is_for_development()
        return self


class ProfileWorkerSettings(WorkerSettings):
    storage: StorageSettings

    @model_validator(mode="after")
    def _pictures_travel_sealed(self) -> Self:
        if self.environment == "production":
            self.storage.refuse_what_is_for_development()
        return self
