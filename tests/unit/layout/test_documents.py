import re

import pytest

from tests.support.repository import ROOT, files, name_of

DOCUMENTS = files(".md")

_LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)(?:#[^)]*)?\)")

each_document = pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)


class TestDocuments:
    @each_document
    def test_link_to_files_that_are_there(self, path):
        targets = _LINK.findall(path.read_text())

        assert [target for target in targets if not (path.parent / target).exists()] == []

    def test_list_every_runbook(self):
        listed = (ROOT / "docs/runbooks/README.md").read_text()
        runbooks = [path.name for path in (ROOT / "docs/runbooks").glob("*.md") if path.name != "README.md"]

        assert [name for name in runbooks if name not in listed] == []
