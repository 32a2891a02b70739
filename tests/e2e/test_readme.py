"""What the README prints for a shell is run by one, as it stands there."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

from tests.support.gateway import SECRETS
from tests.support.readme import blocks
from tests.support.repository import ROOT
from tests.support.waiting import eventually

PAGE = ROOT / "README.md"
SECONDS = 120.0


async def output_of(heading: str) -> str:
    """Of one shell that stops at the first command that fails."""
    script = "\n".join(blocks(PAGE, "sh")[heading])
    shell = await asyncio.create_subprocess_exec(
        *("bash", "-euo", "pipefail", "-c", script),
        cwd=ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(SECONDS):
        output, errors = await shell.communicate()
    assert shell.returncode == 0, output.decode() + errors.decode()
    return output.decode()


def documents(text: str) -> Iterator[dict[str, Any]]:
    """Answers stand one behind the other."""
    decoder, rest = json.JSONDecoder(), text.strip()
    while rest:
        document, end = decoder.raw_decode(rest)
        SECRETS.update(value for name, value in document.items() if name.endswith("token") and value)
        yield document
        rest = rest[end:].lstrip()


class TestFirstCalls:
    async def test_show_what_three_services_made_of_one_registration(self, gateway):
        async def all_have_heard() -> list[dict[str, Any]]:
            told = list(documents(await output_of("First calls")))
            assert [document.get("code") for document in told[-4:]] == [None, None, None, "request.invalid"]
            return told

        told = await eventually(all_have_heard, within=SECONDS)

        assert told[0] == {"status": "check_your_mail"}
        assert told[-4]["display_name"] == "Ada Lovelace"
        assert told[-3]["items"]
        assert {fault["pointer"] for fault in told[-1]["errors"]} == {"/email", "/password"}


class TestSigningIn:
    async def test_goes_as_printed_from_the_registration_to_another_password(self, gateway):
        SECRETS.update(("correct horse battery", "another horse battery"))

        registered, me, sessions, renamed, asked, again = documents(await output_of("Signing in"))

        assert registered == asked == {"status": "check_your_mail"}
        assert me["email"].startswith("grace-")
        assert [session["current"] for session in sessions["items"]] == [True]
        assert renamed["label"] == "Kitchen tablet"
        assert again["session_id"] != renamed["id"]


class TestProfiles:
    async def test_are_written_as_printed(self, gateway):
        told = list(documents(await output_of("Profiles")))

        assert told[0] == {"status": "check_your_mail"}
        assert [document["status"] for document in told if "code" in document] == [422, 412]
        assert {fault["pointer"] for fault in told[1]["errors"]} == {"/date_of_birth", "/website"}
        assert (told[2]["date_of_birth"], told[2]["phone_number"]) == ("1985-12-10", "+442079460018")
        assert told[-1]["display_name"] == "Ada L."
