"""What strangers send as a picture becomes one that we made: square, small, without anything else inside."""

import io
from dataclasses import dataclass
from typing import Final

from PIL import Image, ImageOps

from common.errors import Kind, QuartetError
from profile_service.domain.avatars import MEDIA_TYPE

MOST_BYTES: Final = 5 * 1_048_576
MOST_PIXELS: Final = 25_000_000
SIDE: Final = 512
_QUALITY: Final = 82
_PLAIN: Final = frozenset(("RGB", "RGBA", "L", "CMYK"))


@dataclass(frozen=True)
class _Format:
    name: str
    media_type: str
    magic: tuple[bytes, ...]


_FORMATS: Final = (
    _Format("JPEG", "image/jpeg", (b"\xff\xd8\xff",)),
    _Format("PNG", "image/png", (b"\x89PNG\r\n\x1a\n",)),
    _Format("GIF", "image/gif", (b"GIF87a", b"GIF89a")),
)
_WEBP: Final = _Format("WEBP", MEDIA_TYPE, (b"RIFF",))
MEDIA_TYPES: Final = tuple(one.media_type for one in (*_FORMATS, _WEBP))
CODES: Final = (
    *("avatar.empty", "avatar.not_a_picture", "avatar.type_mismatch", "avatar.unreadable"),
    *("avatar.too_many_pixels", "avatar.animated"),
)


def avatar_of(content: bytes, *, media_type: str) -> bytes:
    """Of a picture of any of `MEDIA_TYPES` a WebP of `SIDE` pixels at most; refused before it is unpacked."""
    kind = _recognized(content)
    if kind.media_type != media_type:
        raise _refused(
            "avatar.type_mismatch", f"The body is {kind.media_type}, Content-Type says {media_type}."
        )
    try:
        return _drawn(content, kind)
    except QuartetError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_many_pixels() from None
    except Exception:  # noqa: BLE001 - its decoders raise whatever comes, from struct's errors to KeyError
        raise _refused("avatar.unreadable", "The picture is damaged or cut off.") from None


def _recognized(content: bytes) -> _Format:
    """By its first bytes alone: names and headers are what the sender wants them to be."""
    if not content:
        raise _refused("avatar.empty", "The body is empty.")
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return _WEBP
    for one in _FORMATS:
        if content.startswith(one.magic):
            return one
    raise _refused("avatar.not_a_picture", f"The body is none of {', '.join(MEDIA_TYPES)}.")


def _drawn(content: bytes, kind: _Format) -> bytes:
    if kind is _WEBP and _webp_pixels(content) > MOST_PIXELS:
        raise _too_many_pixels()  # its decoder takes the memory when it is opened
    with Image.open(io.BytesIO(content), formats=[kind.name]) as found:
        if found.width * found.height > MOST_PIXELS:
            raise _too_many_pixels()
        # telephones put a second picture behind a JPEG's first, which moves nothing
        if found.format != "MPO" and getattr(found, "is_animated", False):
            raise _refused("avatar.animated", "The picture moves.")
        small = _smaller(found)
        # turned by what the camera noted, which is the last that is read of it
        small.info["exif"] = found.getexif().tobytes()
        upright = ImageOps.exif_transpose(small)
    return _encoded(_square(upright))


def _smaller(found: Image.Image) -> Image.Image:
    """In whole steps, so that every later step is about few pixels; a JPEG is not even unpacked in full."""
    found.draft("RGB", (SIDE * 2, SIDE * 2))
    if found.mode.startswith("I;16"):
        found = found.point(lambda value: value / 256).convert("L")
    if found.mode not in _PLAIN:
        found = found.convert("RGBA" if found.has_transparency_data else "RGB")
    return found.reduce(max(1, min(found.size) // (SIDE * 2)))


def _square(picture: Image.Image) -> Image.Image:
    """The middle of it; what is smaller stays as small."""
    side = min(picture.width, picture.height)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    middle = picture.crop((left, top, left + side, top + side))
    plain = middle.convert("RGBA" if middle.has_transparency_data else "RGB")
    return plain if side <= SIDE else plain.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def _encoded(picture: Image.Image) -> bytes:
    """The pixels alone: of what was told of the old one only what is named here would come along."""
    written = io.BytesIO()
    picture.save(written, "WEBP", quality=_QUALITY, method=4)
    return written.getvalue()


def _webp_pixels(content: bytes) -> int:
    """By the head of its first part; nothing for a head that its decoder will not take either."""
    part, head = content[12:16], content[20:30]
    if part == b"VP8X":
        return (int.from_bytes(head[4:7], "little") + 1) * (int.from_bytes(head[7:10], "little") + 1)
    if part == b"VP8L":
        sizes = int.from_bytes(head[1:5], "little")
        return ((sizes & 0x3FFF) + 1) * ((sizes >> 14 & 0x3FFF) + 1)
    wide, high = int.from_bytes(head[6:8], "little"), int.from_bytes(head[8:10], "little")
    return (wide & 0x3FFF) * (high & 0x3FFF)


def _too_many_pixels() -> QuartetError:
    return _refused("avatar.too_many_pixels", f"The picture has more than {MOST_PIXELS:,} pixels.")


def _refused(code: str, detail: str) -> QuartetError:
    return QuartetError(code, detail, kind=Kind.INVALID)
