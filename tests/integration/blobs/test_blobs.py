"""What holds of both stores."""

import asyncio

import pytest

from common.blobs import Blobs

NOT_NAMES = [
    "",
    "/a",
    "a/",
    "../a",
    "a/../b",
    "a//b",
    ".a",
    "a/.b",
    "A",
    "a b",
    "a\x00b",
    "a\n",
    "ä",
    "a" * 129,
]
MEGABYTE = 1_048_576


class TestBlob:
    async def test_is_read_as_it_was_put(self, blobs: Blobs):
        content = bytes(range(256))
        await blobs.put("avatars/one/a.webp", content)

        assert await blobs.get("avatars/one/a.webp") == content

    async def test_is_nothing_before_it_was_put(self, blobs: Blobs):
        await blobs.put("avatars/one/a.webp", b"a")

        assert await blobs.get("avatars/one/b.webp") is None

    async def test_is_replaced_by_a_later_one_of_its_name(self, blobs: Blobs):
        await blobs.put("a", b"first")
        await blobs.put("a", b"second")

        assert await blobs.get("a") == b"second"

    async def test_may_be_empty(self, blobs: Blobs):
        await blobs.put("a", b"")

        assert await blobs.get("a") == b""

    async def test_may_be_of_many_megabytes(self, blobs: Blobs):
        content = bytes(MEGABYTE - 1) * 12
        await blobs.put("a", content)

        assert await blobs.get("a") == content

    async def test_is_gone_after_it_was_deleted(self, blobs: Blobs):
        await blobs.put("avatars/one/a.webp", b"a")
        await blobs.delete("avatars/one/a.webp")

        assert await blobs.get("avatars/one/a.webp") is None

    async def test_may_be_deleted_twice(self, blobs: Blobs):
        await blobs.put("avatars/one/a.webp", b"a")
        await blobs.delete("avatars/one/a.webp")
        await blobs.delete("avatars/one/a.webp")
        await blobs.delete("nowhere/a.webp")

    async def test_is_one_of_those_that_were_put_at_once(self, blobs: Blobs):
        contents = [bytes([number]) * 100_000 for number in range(12)]
        await asyncio.gather(*(blobs.put("a", content) for content in contents))

        assert await blobs.get("a") in contents

    @pytest.mark.parametrize("name", NOT_NAMES)
    async def test_has_a_name_that_leads_out_of_nothing(self, blobs: Blobs, name: str):
        for act in (blobs.get(name), blobs.delete(name), blobs.put(name, b"")):
            with pytest.raises(ValueError, match="no name"):
                await act


class TestNames:
    async def test_are_those_below_a_folder_in_order(self, blobs: Blobs):
        for name in ("one/b", "one/a", "one/deep/c", "oneself/d", "two/e"):
            await blobs.put(f"avatars/{name}", b"")

        assert await blobs.names("avatars/one/") == ["avatars/one/a", "avatars/one/b", "avatars/one/deep/c"]

    async def test_are_none_where_nothing_was_put(self, blobs: Blobs):
        assert await blobs.names("avatars/one/") == []

    @pytest.mark.parametrize("prefix", ["", "avatars", "/", "../", "avatars/../"])
    async def test_are_asked_for_by_a_folder(self, blobs: Blobs, prefix: str):
        with pytest.raises(ValueError, match="no name"):
            await blobs.names(prefix)
