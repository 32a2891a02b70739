"""Schemathesis on an application of this process: all of its document, asked as it says and otherwise."""

import asyncio
import copy
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import schemathesis
from fastapi import FastAPI
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from schemathesis.generation.meta import TestPhase
from starlette.types import Message, Receive, Scope, Send

from common.http import merge_patch

CONFIG: Final = Path(__file__).parents[1] / "integration" / "fuzz" / "schemathesis.toml"
OF_SHAPE: Final = frozenset(
    {
        *("field.missing", "field.unknown", "field.wrong_type", "field.not_a_choice", "field.wrong_format"),
        *("field.too_short", "field.too_long", "field.out_of_range"),
    }
)


@dataclass(frozen=True)
class Caller:
    """`known` is what means something to the service, by the names of fields."""

    token: str
    known: Mapping[str, Any] = field(default_factory=dict)


SignIn = Callable[[], Awaitable[Caller]]


async def faults(app: FastAPI, sign_in: SignIn, *, seed: int, examples: int) -> dict[str, str]:
    """What was wrong, by what showed it; each request comes from somebody who has just signed in."""
    return await asyncio.to_thread(_faults, app, sign_in, asyncio.get_running_loop(), seed, examples)


@schemathesis.check
def problem_codes(_: Any, response: Any, case: Any) -> None:
    """A refusal has a code that is documented for it."""
    told = case.operation.definition.raw["responses"].get(str(response.status_code), {})
    codes = told.get("x-problem-codes")
    if codes is not None and response.json()["code"] not in codes:
        raise AssertionError(f"{response.json()['code']} is not documented for {response.status_code}")


@schemathesis.check
def shape_as_documented(_: Any, response: Any, case: Any) -> None:
    """What the document allows is refused by a rule that no schema can tell, never by its shape."""
    asked_rightly = case.meta is not None and case.meta.generation.mode.is_positive
    if asked_rightly and response.status_code == 422:
        wrong = {fault["code"] for fault in response.json().get("errors", ())} & OF_SHAPE
        if wrong:
            raise AssertionError(f"the document allows what is refused with {', '.join(sorted(wrong))}")


def _faults(
    app: FastAPI, sign_in: SignIn, loop: asyncio.AbstractEventLoop, seed: int, examples: int
) -> dict[str, str]:
    config = SchemathesisConfig.from_path(CONFIG)
    config.update(seed=seed, max_failures=None)
    schema = schemathesis.openapi.from_dict(_short(app.openapi()), config=config)
    schema.app = _moved_to(loop, app)
    schema.config.base_url = "http://fuzz.test"
    schema.config.phases.fuzzing.generation.update(max_examples=examples)

    @schema.auth(refresh_interval=None)
    class SignedIn:
        """An example says what really is: the password of whoever calls, one of their sessions."""

        def get(self, _case: Any, _context: Any) -> Caller:
            return asyncio.run_coroutine_threadsafe(sign_in(), loop).result()

        def set(self, case: Any, caller: Caller, _context: Any) -> None:
            if case.path.startswith("/api/"):
                case.headers["Authorization"] = f"Bearer {caller.token}"
            if case.meta is not None and case.meta.phase.name is TestPhase.EXAMPLES:
                for place in (case.body, case.path_parameters):
                    if isinstance(place, dict):
                        place.update({name: caller.known[name] for name in place if name in caller.known})

    found: dict[str, str] = {}
    for event in from_schema(schema).execute():
        match event:
            case events.NonFatalError():
                found[f"{event.label}, {event.phase}"] = str(event.info.message)
            case events.ScenarioFinished():
                found |= _failures(event, seed)
            case _:
                pass
    return found


def _short(document: dict[str, Any]) -> dict[str, Any]:
    """A patch is taken by two names that mean the same, and its boundaries need not be asked for by both."""
    document = copy.deepcopy(document)
    for operation in (one for methods in document["paths"].values() for one in methods.values()):
        content = operation.get("requestBody", {}).get("content", {})
        if merge_patch.MEDIA_TYPE in content:
            operation["requestBody"]["content"] = {merge_patch.MEDIA_TYPE: content[merge_patch.MEDIA_TYPE]}
    return document


def _failures(event: events.ScenarioFinished, seed: int) -> dict[str, str]:
    return {
        f"{event.label}: {node.name}, seed {seed}": f"{node.failure_info.failure.title}\n"
        f"{node.failure_info.failure.message}\n{node.failure_info.code_sample}"
        for nodes in event.recorder.checks.values()
        for node in nodes
        if node.failure_info is not None
    }


def _moved_to(loop: asyncio.AbstractEventLoop, app: FastAPI) -> Callable[..., Awaitable[None]]:
    """Answered on the loop that the application's connections belong to; schemathesis has one of its own."""

    async def moved(scope: Scope, receive: Receive, send: Send) -> None:
        body, sent = await receive(), list[Message]()

        async def answer() -> None:
            unread = iter((body,))

            async def replay() -> Message:
                return next(unread, {"type": "http.disconnect"})

            async def keep(message: Message) -> None:
                sent.append(message)

            await app(scope, replay, keep)

        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(answer(), loop))
        for message in sent:
            await send(message)

    return moved
