"""304 for who has the present version already, from what Redis knows of it (`known_versions.py`).

It is answered only with the one version that the caller named: whatever Redis says, nobody is led back to an
older one than they have shown.
"""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from starlette.responses import Response

from common.http.etag import Preconditions
from common.known_versions import KnownVersions, Look


@dataclass(frozen=True, slots=True)
class Looked:
    answer: Response | None
    """Nothing is to be read."""
    _known: KnownVersions
    _look: Look | None = None

    def learn(self, version: int) -> None:
        """What was read after all."""
        if self._look is not None:
            self._known.learn(self._look, version)


@dataclass(frozen=True, slots=True)
class Unchanged:
    _known: KnownVersions

    async def since(self, conditions: Preconditions, name: str) -> Looked:
        """Redis is asked only by who can be answered by it: a GET that names one version."""
        if not _names_one_version(conditions):
            return Looked(None, self._known)
        look = await self._known.look(name)
        answer = None if look.version is None else conditions.unchanged(look.version)
        return Looked(answer, self._known, look)


def _names_one_version(conditions: Preconditions) -> bool:
    tags = conditions.if_none_match
    if tags is None or tags.anything or conditions.if_match is not None:
        return False
    return conditions.method in {"GET", "HEAD"} and len(tags.strong) + len(tags.weak) == 1


async def _unchanged(request: Request) -> Unchanged:
    return Unchanged(request.app.state.known_versions)


UseUnchanged = Annotated[Unchanged, Depends(_unchanged)]
