from pathlib import Path

import pytest
from pydantic import ValidationError

from common.blobs import StorageSettings

BUCKET = {
    "bucket": "pictures",
    "endpoint": "https://s3.example.org",
    "access_key": "quartet",
    "secret_key": "hunter2-hunter2",
}


class TestStorageSettings:
    @pytest.mark.parametrize(
        ("told", "says"),
        [
            ({}, "set either STORAGE_FOLDER, or STORAGE_BUCKET"),
            ({"folder": Path("/srv/files"), **BUCKET}, "set either STORAGE_FOLDER, or STORAGE_BUCKET"),
            ({"folder": Path("files")}, "STORAGE_FOLDER is not absolute"),
            ({"bucket": "pictures"}, "without STORAGE_ENDPOINT, STORAGE_ACCESS_KEY, STORAGE_SECRET_KEY"),
            (BUCKET | {"endpoint": "https://s3.example.org/pictures"}, "endpoint"),
            (BUCKET | {"endpoint": "https://quartet:hunter2@s3.example.org"}, "endpoint"),
            (BUCKET | {"bucket": "Pictures!"}, "bucket"),
        ],
    )
    def test_say_what_is_missing_or_too_much(self, told: dict[str, object], says: str):
        with pytest.raises(ValidationError, match=says):
            StorageSettings.model_validate(told)

    def test_show_no_secret(self):
        assert "hunter2" not in repr(StorageSettings.model_validate(BUCKET))

    def test_in_the_open_are_for_development(self):
        StorageSettings.model_validate(BUCKET).refuse_what_is_for_development()
        open_to_all = StorageSettings.model_validate(BUCKET | {"endpoint": "http://s3.example.org"})

        with pytest.raises(ValueError, match="not https://"):
            open_to_all.refuse_what_is_for_development()
