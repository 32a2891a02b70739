from dataclasses import dataclass


@dataclass(frozen=True)
class Guard:
    name: str
    file: str
    """Below `libs/common/src/common`, unless `below` says otherwise."""
    present: str
    """The text that is the guard; it stands in the file exactly once."""
    absent: str
    """What stands there when the guard is gone."""
    test: str
    """The test that fails then."""
    below: str = "libs/common/src/common"

    @property
    def path(self) -> str:
        return f"{self.below}/{self.file}"
