import re

import pytest

from tests.guards.catalogue import GUARDS
from tests.guards.guard import Guard
from tests.support.repository import ROOT

PAGE = (ROOT / "docs" / "guards.md").read_text()


class TestCatalogueOfGuards:
    @pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
    def test_finds_each_guard_once_in_the_code(self, guard: Guard):
        assert (ROOT / guard.path).read_text().count(guard.present) == 1

    @pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
    def test_names_a_test_that_exists(self, guard: Guard):
        file, *names = guard.test.split("::")
        code = (ROOT / file).read_text()

        assert all(re.search(rf"^\s*(async )?(def|class) {name}\b", code, re.MULTILINE) for name in names)

    @pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
    def test_stands_on_the_page(self, guard: Guard):
        assert f"| {guard.name} | `{guard.path}` | `{guard.test}` |" in PAGE
