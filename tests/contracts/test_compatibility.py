import json
from copy import deepcopy
from typing import Any

import pytest

from common.contracts import export
from common.contracts.compatibility import breaks

COMMITTED: dict[str, Any] = {
    "type": "object",
    "properties": {
        "user_id": {"type": "string", "format": "uuid", "title": "User Id"},
        "state": {"type": "string", "enum": ["new", "old"]},
        "nickname": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
        "address": {"$ref": "#/$defs/Address"},
    },
    "required": ["user_id", "state", "address"],
    "$defs": {
        "Address": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    },
}


def changed(**properties: Any) -> dict[str, Any]:
    proposed = deepcopy(COMMITTED)
    proposed["properties"] |= properties
    return proposed


class TestCompatibleChange:
    def test_is_none_at_all(self):
        assert breaks(COMMITTED, deepcopy(COMMITTED)) == []

    def test_is_an_added_optional_field(self):
        assert breaks(COMMITTED, changed(pronoun={"type": "string", "default": ""})) == []

    def test_is_another_description(self):
        described = changed(user_id={"type": "string", "format": "uuid", "description": "Whose it is."})

        assert breaks(COMMITTED, described) == []


class TestIncompatibleChange:
    def test_is_a_removed_field(self):
        proposed = deepcopy(COMMITTED)
        del proposed["properties"]["nickname"]

        assert breaks(COMMITTED, proposed) == ["/nickname: was removed"]

    def test_is_a_new_required_field(self):
        proposed = changed(email={"type": "string"})
        proposed["required"] = [*COMMITTED["required"], "email"]

        assert breaks(COMMITTED, proposed) == ["/email: would be required, older messages may lack it"]

    def test_is_a_required_field_made_optional(self):
        proposed = deepcopy(COMMITTED)
        proposed["required"] = ["user_id", "address"]

        assert breaks(COMMITTED, proposed) == ["/state: would be optional, older readers need it"]

    def test_is_another_type(self):
        assert breaks(COMMITTED, changed(user_id={"type": "integer"}))

    def test_is_another_alternative(self):
        assert breaks(COMMITTED, changed(nickname={"anyOf": [{"type": "integer"}, {"type": "null"}]}))
        assert breaks(COMMITTED, changed(nickname={"type": "string"}))

    @pytest.mark.parametrize("values", [["new"], ["new", "old", "older"]], ids=["narrowed", "widened"])
    def test_is_another_enum(self, values):
        assert breaks(COMMITTED, changed(state={"type": "string", "enum": values}))

    def test_is_a_new_bound(self):
        assert breaks(COMMITTED, changed(user_id={"type": "string", "format": "uuid", "maxLength": 36}))

    def test_is_found_inside_a_referenced_part(self):
        proposed = deepcopy(COMMITTED)
        proposed["$defs"]["Address"]["properties"]["city"] = {"type": "integer"}

        assert breaks(COMMITTED, proposed) == ['/address/city: was "string" and would be "integer"']


class TestExport:
    def test_writes_into_an_empty_folder_and_then_nothing(self, tmp_path):
        assert sorted(export.write(tmp_path)) == sorted(export.generated())
        assert export.write(tmp_path) == []

    def test_refuses_to_overwrite_what_readers_rely_on(self, tmp_path):
        export.write(tmp_path)
        path = tmp_path / "schemas/user.registered.v1.schema.json"
        schema = json.loads(path.read_text())
        schema["properties"]["email"] = {"type": "string"}
        path.write_text(json.dumps(schema))

        with pytest.raises(SystemExit, match="/email: was removed"):
            export.write(tmp_path)

        assert json.loads(path.read_text()) == schema

    def test_refuses_to_forget_a_version_that_was_sent(self, tmp_path):
        export.write(tmp_path)
        (tmp_path / "schemas/user.registered.v0.schema.json").write_text("{}")

        with pytest.raises(SystemExit, match=r"user.registered.v0 is gone"):
            export.write(tmp_path)
