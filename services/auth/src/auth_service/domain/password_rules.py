from collections.abc import Iterable
from dataclasses import dataclass

from auth_service.domain.errors import password_refused
from auth_service.domain.password_strength import weakness_of
from auth_service.domain.passwords import FEWEST_CHARACTERS


@dataclass(frozen=True)
class PasswordRules:
    """What a new password is held to, before anything is hashed."""

    fewest_characters: int = FEWEST_CHARACTERS

    def require(self, password: str, *, about: Iterable[str | None] = (), pointer: str) -> None:
        weakness = weakness_of(password, fewest=self.fewest_characters, about=filter(None, about))
        if weakness is not None:
            raise password_refused(weakness, pointer)
