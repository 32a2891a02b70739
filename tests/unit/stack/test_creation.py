import os
import socket
from pathlib import Path

import pytest

from quartet_cli.stack.creation import ELSEWHERE, ForeignStackError, open_stack, state_folder
from quartet_cli.stack.description import Stack, stack_file
from quartet_cli.stack.errors import StackError
from quartet_cli.stack.files import Owner, write_private
from quartet_cli.stack.ports import PortTakenError, check_ports_free


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch) -> Path:
    """As a plain user sees it, on a machine that has everything."""
    monkeypatch.setattr("quartet_cli.stack.creation.os.geteuid", lambda: tmp_path.stat().st_uid + 0)
    monkeypatch.setattr("quartet_cli.stack.creation.ensure_packages", lambda *_, **__: None)
    monkeypatch.setattr("quartet_cli.stack.creation.ensure_server_user", lambda: None)
    monkeypatch.delenv("QUARTET_PORT_BASE", raising=False)
    return tmp_path


class TestOpenStack:
    def test_finds_the_one_that_was_made_before(self, checkout: Path):
        first = open_stack("dev", checkout)

        assert open_stack("dev", checkout) == first
        assert Stack.load(stack_file("dev", checkout)) == first

    def test_moves_all_ports_of_the_development_stack_with_one_setting(self, checkout: Path, monkeypatch):
        before = open_stack("dev", checkout)
        monkeypatch.setenv("QUARTET_PORT_BASE", "23000")

        after = open_stack("dev", checkout)

        assert after.ports["gateway"] == 23000
        assert after.passwords == before.passwords

    @pytest.mark.parametrize("chosen", ["many", "-1", "80", "99999", "9" * 5000, "21000.5"])
    def test_refuses_ports_that_are_none_and_leaves_all_as_it_was(
        self, checkout: Path, monkeypatch, chosen: str
    ):
        before = open_stack("dev", checkout)
        monkeypatch.setenv("QUARTET_PORT_BASE", chosen)

        with pytest.raises(StackError, match=r"QUARTET_PORT_BASE is .* from 1024 to 65436"):
            open_stack("dev", checkout)

        assert Stack.load(stack_file("dev", checkout)) == before

    def test_gives_a_test_stack_free_ports_and_keeps_them(self, checkout: Path, monkeypatch):
        monkeypatch.setenv("QUARTET_PORT_BASE", "23000")

        ports = open_stack("test", checkout).ports

        check_ports_free("any", ports.values())
        assert ports["gateway"] >= 20_000
        assert open_stack("test", checkout).ports == ports

    def test_refuses_what_another_user_made(self, checkout: Path, monkeypatch):
        open_stack("dev", checkout)
        monkeypatch.setattr("quartet_cli.stack.creation.os.geteuid", lambda: 64_000)

        with pytest.raises(ForeignStackError, match="was made by"):
            open_stack("dev", checkout)


class TestStateFolder:
    def test_is_below_var_where_whoever_starts_the_servers_runs_them(self, tmp_path: Path):
        assert state_folder("dev", tmp_path, None) == tmp_path / "var" / "dev"

    def test_is_elsewhere_where_the_servers_user_cannot_enter_and_of_one_checkout(self, tmp_path: Path):
        tmp_path.chmod(0o700)
        places = {state_folder("dev", tmp_path / name, "daemon") for name in ("here", "there")}

        assert {place.parent.parent for place in places} == {ELSEWHERE}
        assert len(places) == 2


class TestPorts:
    def test_name_the_port_and_the_setting_when_one_is_taken(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = other.getsockname()[1]

            with pytest.raises(PortTakenError, match=rf"port {port} .* redis, .* QUARTET_PORT_BASE"):
                check_ports_free("redis", [port])


class TestPrivateFiles:
    def test_are_private_from_the_first_byte_and_replaced_whole(self, tmp_path: Path):
        path = tmp_path / "secret"
        write_private(path, "old", owner=Owner(None))
        previous = os.umask(0)
        try:
            write_private(path, "new", owner=Owner(None))
        finally:
            os.umask(previous)

        assert path.read_text() == "new"
        assert path.stat().st_mode & 0o777 == 0o600
        assert list(tmp_path.iterdir()) == [path]
