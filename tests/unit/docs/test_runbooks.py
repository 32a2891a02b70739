import re
from functools import cache

import pytest

from quartet_cli.main import app
from tests.support.repository import ROOT, files

PAGES = sorted((ROOT / "docs/runbooks").glob("*.md"))

_METRIC = re.compile(r"quartet_[a-z]+(?:_[a-z]+)*")
_VERB = re.compile(r"\./quartet ([a-z]+)")
_LINK = re.compile(r"\]\(([^)#]+)")
_EVENT = re.compile(r"`((?:relay|jobs|job|task|tasks|heartbeat)\.[a-z_]+)`")


@cache
def sources() -> str:
    folders = ("libs", "services", "tools")
    return "\n".join(path.read_text() for path in files(".py") if path.relative_to(ROOT).parts[0] in folders)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
class TestRunbook:
    def test_names_metrics_that_exist(self, page):
        named = set(_METRIC.findall(page.read_text())) - {"quartet_cli"}

        assert {name for name in named if f'"{name}"' not in sources()} == set()

    def test_names_log_events_and_codes_that_exist(self, page):
        # a step's name goes into the middle of these
        steps = {f"jobs.{step}_failed" for step in ("claim", "extend", "count")}
        named = set(_EVENT.findall(page.read_text())) - steps

        assert {name for name in named if name not in sources() and _made_of_parts(name)} == set()

    def test_names_verbs_that_exist(self, page):
        known = {command.name or command.callback.__name__ for command in app.registered_commands}
        known |= {group.name for group in app.registered_groups}

        assert set(_VERB.findall(page.read_text())) - known == set()

    def test_links_to_pages_that_exist(self, page):
        missing = [link for link in _LINK.findall(page.read_text()) if not (page.parent / link).exists()]

        assert missing == []


def _made_of_parts(name: str) -> bool:
    """`job.result_not_storable` is `job.{what}_not_storable` in the source."""
    return not name.endswith("_not_storable")
