from dataclasses import dataclass


@dataclass(frozen=True)
class Guard:
    name: str
    file: str
    """Below `libs/common/src/common`."""
    present: str
    """The text that is the guard; it stands in the file exactly once."""
    absent: str
    """What stands there when the guard is gone."""
    test: str
    """The test that fails then."""

    @property
    def path(self) -> str:
        return f"libs/common/src/common/{self.file}"
