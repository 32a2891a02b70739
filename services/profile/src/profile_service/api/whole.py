"""What PUT takes: the whole of a thing. A part of it would remove the rest."""

from fastapi import Request

from common.errors import Kind
from common.http.answers import RefusalError
from common.http.documented import raises
from common.http.merge_patch import MEDIA_TYPE
from common.http.validation import malformed


@raises(Kind.MALFORMED, "content_range.unsupported")
async def not_a_range(request: Request) -> None:
    if "content-range" in request.headers:
        raise malformed("content_range.unsupported", "This is put as a whole, without Content-Range.")


@raises(Kind.UNSUPPORTED_MEDIA_TYPE, "media_type.unsupported")
async def not_a_patch(request: Request) -> None:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() == MEDIA_TYPE:
        raise RefusalError(
            "media_type.unsupported",
            f"{MEDIA_TYPE} is for PATCH: put as a document it would remove what it leaves out.",
            kind=Kind.UNSUPPORTED_MEDIA_TYPE,
            headers={"Accept": "application/json"},
        )
