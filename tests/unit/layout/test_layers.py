"""Each rule about imports holds, and is seen to fail on a copy where it is broken."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.support.repository import PACKAGES, ROOT

CONTRACTS = {
    contract["id"]: contract["name"]
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
}

VIOLATIONS = [
    ("layers", "auth_service/storage/planted.py", "import auth_service.usecases"),
    ("layers", "auth_service/usecases/planted.py", "import auth_service.api"),
    ("layers", "auth_service/api/planted.py", "import auth_service.settings"),
    ("layers", "auth_service/domain/planted.py", "import auth_service.storage"),
    ("services-are-strangers", "chat_service/planted.py", "import profile_service"),
    ("common-knows-no-service", "common/messaging/planted.py", "import calendar_sync_service"),
    ("domain-is-pure", "auth_service/domain/planted.py", "import sqlalchemy"),
    ("contracts-are-data", "common/contracts/planted.py", "import common.postgres"),
    ("contracts-are-data", "common/contracts/planted.py", "import fastapi"),
    ("api-never-talks-to-kafka", "auth_service/api/planted.py", "import aiokafka"),
    ("api-never-talks-to-kafka", "common/http/planted.py", "import common.messaging.consumer"),
    ("synchronous-is-for-migrations", "auth_service/storage/planted.py", "import psycopg"),
    ("synchronous-is-for-migrations", "common/jobs/planted.py", "import common.postgres.migrations"),
]


class Copy:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for package in PACKAGES:
            shutil.copytree(
                package, folder / package.name, ignore=shutil.ignore_patterns("__pycache__", "*.json")
            )
        shutil.copy(ROOT / "pyproject.toml", folder)

    def plant(self, number: int, name: str, line: str) -> None:
        path = (self.folder / name).with_stem(planted(number))
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{line}\n")

    def broken(self) -> dict[str, str]:
        """What breaks a contract, by the names of those that do not hold."""
        run = subprocess.run(
            [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()"],
            cwd=self.folder,
            env=os.environ | {"PYTHONPATH": str(self.folder), "COLUMNS": "200", "NO_COLOR": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        verdicts = dict(re.findall(r"^(.+) (KEPT|BROKEN)$", run.stdout, flags=re.MULTILINE))
        assert set(verdicts) == set(CONTRACTS.values()), run.stdout + run.stderr
        told = re.split(rf"^({'|'.join(map(re.escape, verdicts))})\n-+$", run.stdout, flags=re.MULTILINE)
        reasons = dict(zip(told[1::2], told[2::2], strict=True))
        assert set(reasons) == {name for name, verdict in verdicts.items() if verdict == "BROKEN"}, run.stdout
        return reasons


def planted(number: int) -> str:
    return f"planted_{number:02}"


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    return Copy(tmp_path_factory.mktemp("sources"))


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """With all violations at once: each has a file of its own."""
    copy = Copy(tmp_path_factory.mktemp("broken"))
    for number, (_, file, line) in enumerate(VIOLATIONS):
        copy.plant(number, file, line)
    return copy.broken()


class TestImports:
    def test_keep_to_every_contract(self, copy):
        assert copy.broken() == {}

    @pytest.mark.parametrize("number", range(len(VIOLATIONS)), ids=[f"{v[1]}: {v[2]}" for v in VIOLATIONS])
    def test_that_break_a_contract_are_found(self, broken, number):
        contract, _, _ = VIOLATIONS[number]

        assert f"{planted(number)} -> " in broken[CONTRACTS[contract]]

    def test_of_every_contract_have_a_violation_here(self):
        assert {contract for contract, _, _ in VIOLATIONS} == set(CONTRACTS)
