import subprocess
from pathlib import Path

import pytest

from quartet_cli.stack import packages
from quartet_cli.stack.packages import MissingPackagesError, Need, ensure_packages

LACKING = Need("Example 1 or newer", ("example-server",), lambda: False)


class Commands:
    """Stands in for the package manager; says yes to everything but the becoming of root."""

    def __init__(self) -> None:
        self.ran: list[list[str]] = []
        self.fails_at = ""

    def __call__(self, command: list[str], **_: object) -> subprocess.CompletedProcess[bytes]:
        self.ran.append([str(word) for word in command])
        code = int(bool(self.fails_at) and self.fails_at in command)
        return subprocess.CompletedProcess(command, code, stdout=b"Package: example-server", stderr=b"")


@pytest.fixture
def commands(monkeypatch, tmp_path: Path) -> Commands:
    made = Commands()
    monkeypatch.setattr(packages.subprocess, "run", made)
    monkeypatch.setattr(packages, "find", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(packages, "needs", lambda **_: (LACKING,))
    monkeypatch.setattr(packages, "POLICY", tmp_path / "policy-rc.d")
    monkeypatch.setattr(packages, "NO_CLUSTER", tmp_path / "quartet.conf")
    monkeypatch.setattr(packages.os, "geteuid", lambda: 0)
    return made


def ensure(tmp_path: Path) -> None:
    ensure_packages(lambda _: None, log=tmp_path / "packages.log", with_maven=False)


class TestPackages:
    def test_are_not_touched_when_nothing_is_missing(self, commands: Commands, tmp_path: Path, monkeypatch):
        monkeypatch.setattr(packages, "needs", lambda **_: ())

        ensure(tmp_path)

        assert commands.ran == []

    def test_are_named_to_a_user_who_may_not_install(self, commands: Commands, tmp_path: Path, monkeypatch):
        monkeypatch.setattr(packages.os, "geteuid", lambda: 1000)
        monkeypatch.setattr(packages.shutil, "which", lambda _: None)

        with pytest.raises(MissingPackagesError, match=r"As root: apt-get install .* example-server"):
            ensure(tmp_path)

    def test_are_installed_by_sudo_for_a_user_who_may(self, commands: Commands, tmp_path: Path, monkeypatch):
        monkeypatch.setattr(packages.os, "geteuid", lambda: 1000)
        monkeypatch.setattr(packages.shutil, "which", lambda name: f"/usr/bin/{name}")

        with pytest.raises(MissingPackagesError, match="still missing"):
            ensure(tmp_path)

        changing = [command for command in commands.ran if command[0] != "apt-cache"]
        assert all(command[:2] == ["/usr/bin/sudo", "-n"] for command in changing)
        assert any(command[-1] == "example-server" and "install" in command for command in changing)

    @pytest.mark.parametrize("fails_at", ["nothing", "env"])
    def test_leave_no_setting_of_the_machine_behind(self, commands: Commands, tmp_path: Path, fails_at):
        commands.fails_at = fails_at

        with pytest.raises(MissingPackagesError):
            ensure(tmp_path)

        made = {command[-1] for command in commands.ran if command[0] == "install"}
        removed = {command[-1] for command in commands.ran if command[0] == "rm"}
        assert made == removed == {str(tmp_path / "policy-rc.d"), str(tmp_path / "quartet.conf")}

    def test_keep_a_policy_that_somebody_else_wrote(self, commands: Commands, tmp_path: Path):
        (tmp_path / "policy-rc.d").write_text("#!/bin/sh\nexit 0\n")

        with pytest.raises(MissingPackagesError):
            ensure(tmp_path)

        assert not any(str(tmp_path / "policy-rc.d") in command for command in commands.ran)
