"""Pictures as people, telephones and strangers make them."""

import io
import struct
import zlib
from typing import Any

from PIL import Image

from profile_service.domain.pictures import avatar_of

RED, BLUE = (200, 30, 30), (30, 30, 200)
TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "GIF": "image/gif"}


def halves(size: tuple[int, int] = (80, 60), mode: str = "RGB") -> Image.Image:
    """Red above, blue below."""
    picture = Image.new("RGB", size, RED)
    picture.paste(BLUE, (0, size[1] // 2, *size))
    return picture.convert(mode)


def saved(picture: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    written = io.BytesIO()
    picture.save(written, kind, **options)
    return written.getvalue()


def moving(kind: str) -> bytes:
    frames = [halves(), halves().rotate(180)]
    return saved(frames[0], kind, save_all=True, append_images=frames[1:], duration=100)


def bomb(width: int, height: int) -> bytes:
    """A PNG of one color: a few kilobytes that unpack to gigabytes."""
    return _png(width, height, bytes((width + 7) // 8 + 1) * height)


def png_that_says(width: int, height: int) -> bytes:
    """The head of a PNG of that size, and one line behind it."""
    return _png(width, height, bytes(2))


def _png(width: int, height: int, lines: bytes) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, content) for name, content in parts)


def webp_that_says(width: int, height: int) -> bytes:
    """The head of a WebP of that size, and little behind it."""
    sizes = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    part = b"VP8X" + struct.pack("<I", 10) + bytes(4) + sizes
    return b"RIFF" + struct.pack("<I", len(part) + 4) + b"WEBP" + part


def drawn(content: bytes, kind: str) -> Image.Image:
    picture = Image.open(io.BytesIO(avatar_of(content, media_type=TYPES[kind])), formats=["WEBP"])
    picture.load()
    return picture


def about(pixel: Any, color: tuple[int, ...]) -> bool:
    return all(abs(one - other) < 40 for one, other in zip(pixel, color, strict=False))


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
