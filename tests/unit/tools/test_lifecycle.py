from pathlib import Path

import pytest

from quartet_cli.stack.creation import new_passwords
from quartet_cli.stack.description import Stack, port_layout
from quartet_cli.verbs import lifecycle
from quartet_cli.verbs.lifecycle import bring_down
from quartet_cli.verbs.progress import Progress


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    checkout = tmp_path / "checkout"
    monkeypatch.setattr(lifecycle, "CHECKOUT", checkout)
    monkeypatch.setattr(lifecycle, "stack_file", lambda name: checkout / "var" / name / "stack.json")
    return checkout


def described(checkout: Path, *, state: Path, of: Path) -> Path:
    """A stack that does not run, with data; returns the file that describes it."""
    path = checkout / "var" / "dev" / "stack.json"
    for folder in (path.parent, state / "postgres"):
        folder.mkdir(parents=True)
    stack = Stack(
        name="dev",
        checkout=of,
        state=state,
        ports=port_layout(20_000),
        passwords=new_passwords(),
        server_user=None,
    )
    stack.save(path)
    return path


class TestDown:
    def test_keeps_data_passwords_and_certificates(self, checkout: Path, tmp_path: Path):
        path = described(checkout, state=tmp_path / "elsewhere" / "dev", of=checkout)

        assert not bring_down("dev", progress=Progress())

        assert path.exists()
        assert (tmp_path / "elsewhere" / "dev" / "postgres").exists()

    def test_erases_the_stack_and_its_folder_outside_and_nothing_beside_them(
        self, checkout: Path, tmp_path: Path
    ):
        path = described(checkout, state=tmp_path / "elsewhere" / "dev", of=checkout)
        beside = [checkout / "var" / "venv", tmp_path / "elsewhere" / "test"]
        for folder in beside:
            folder.mkdir()

        bring_down("dev", progress=Progress(), erase=True)

        assert not path.parent.exists()
        assert not (tmp_path / "elsewhere" / "dev").exists()
        assert all(folder.exists() for folder in beside)

    def test_erases_no_folder_that_another_checkout_made(self, checkout: Path, tmp_path: Path):
        described(checkout, state=tmp_path / "elsewhere" / "dev", of=tmp_path / "another")

        bring_down("dev", progress=Progress(), erase=True)

        assert (tmp_path / "elsewhere" / "dev" / "postgres").exists()

    def test_of_a_stack_that_never_was_is_no_failure(self, checkout: Path):
        assert not bring_down("dev", progress=Progress(), erase=True)
