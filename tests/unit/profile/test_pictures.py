import tracemalloc

import pytest
from PIL import Image, PngImagePlugin

from common.errors import Kind, QuartetError
from profile_service.domain import pictures
from profile_service.domain.pictures import MEDIA_TYPES, avatar_of
from tests.support.pictures import (
    BLUE,
    RED,
    TYPES,
    about,
    bomb,
    drawn,
    halves,
    moving,
    png_that_says,
    saved,
    webp_that_says,
)

SCRIPT = b"<script>alert(1)</script>"
GPS = Image.Exif()
GPS[0x0110] = "a telephone"
GPS[0x8825] = {1: "N", 2: (51.0, 30.0, 26.0), 3: "W", 4: (0.0, 7.0, 39.0)}


def code_of(content: bytes, media_type: str) -> str:
    with pytest.raises(QuartetError) as caught:
        avatar_of(content, media_type=media_type)
    assert caught.value.kind is Kind.INVALID
    return caught.value.code


class TestPicture:
    @pytest.mark.parametrize("kind", TYPES)
    def test_of_each_kind_becomes_a_square_webp(self, kind: str):
        picture = drawn(saved(halves((900, 700)), kind), kind)

        assert (picture.format, picture.size) == ("WEBP", (512, 512))
        assert about(picture.getpixel((256, 40)), RED)
        assert about(picture.getpixel((256, 470)), BLUE)

    def test_that_is_small_stays_as_small(self):
        assert drawn(saved(halves((40, 30))), "JPEG").size == (30, 30)

    def test_of_one_pixel_is_one(self):
        assert drawn(saved(halves((1, 1))), "JPEG").size == (1, 1)

    def test_that_is_long_is_cut_to_its_middle(self):
        wide = Image.new("RGB", (3000, 600), RED)
        wide.paste(BLUE, (1200, 0, 1800, 600))

        assert about(drawn(saved(wide), "JPEG").getpixel((256, 256)), BLUE)

    @pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
    def test_of_each_mode_of_png_is_drawn(self, mode: str):
        picture = drawn(saved(halves((2200, 2200), mode), "PNG"), "PNG")

        top, bottom = picture.getpixel((256, 40))[0], picture.getpixel((256, 470))[0]
        assert picture.size == (512, 512)
        assert top != bottom

    def test_of_sixteen_bits_keeps_its_shades(self):
        grey = Image.new("I;16", (60, 60), 128 * 256)

        assert about(drawn(saved(grey, "PNG"), "PNG").getpixel((30, 30)), (128, 128, 128))

    def test_for_the_press_is_drawn(self):
        assert about(drawn(saved(halves(mode="CMYK")), "JPEG").getpixel((30, 5)), RED)

    def test_keeps_what_can_be_seen_through(self):
        picture = drawn(saved(Image.new("RGBA", (60, 60), (0, 0, 0, 0)), "PNG"), "PNG")

        assert picture.getpixel((30, 30))[3] == 0

    def test_keeps_a_palette_s_transparency(self):
        palette = Image.new("P", (60, 60), 1)
        palette.putpalette([*BLUE, *RED])
        picture = drawn(saved(palette, "GIF", transparency=1), "GIF")

        assert picture.getpixel((30, 5))[3] == 0

    def test_of_a_telephone_with_a_second_one_behind_it_is_drawn(self):
        both = saved(halves(), "MPO", save_all=True, append_images=[halves((20, 20))])

        assert about(drawn(both, "JPEG").getpixel((30, 5)), RED)


class TestWhatComesAlong:
    @pytest.mark.parametrize(
        ("orientation", "top", "bottom"), [(1, RED, BLUE), (3, BLUE, RED), (4, BLUE, RED)]
    )
    def test_turns_the_picture_upright(self, orientation: int, top: tuple[int, ...], bottom: tuple[int, ...]):
        exif = Image.Exif()
        exif[0x0112] = orientation
        picture = drawn(saved(halves((2400, 1800)), exif=exif), "JPEG")

        assert about(picture.getpixel((256, 40)), top)
        assert about(picture.getpixel((256, 470)), bottom)

    def test_of_a_picture_on_its_side_turns_before_it_cuts(self):
        exif = Image.Exif()
        exif[0x0112] = 6
        picture = drawn(saved(halves((600, 600)), exif=exif), "JPEG")

        assert about(picture.getpixel((40, 256)), BLUE)
        assert about(picture.getpixel((470, 256)), RED)

    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
    def test_of_places_and_cameras_is_left_out(self, kind: str):
        content = saved(halves(), kind, exif=GPS)
        made = avatar_of(content, media_type=TYPES[kind])

        assert b"a telephone" in content
        assert b"a telephone" not in made
        assert not drawn(content, kind).getexif()
        assert b"EXIF" not in made

    def test_of_colors_is_left_out(self):
        content = saved(halves(), icc_profile=b"a profile of colors, with the name of its owner")

        assert b"its owner" in content
        assert b"its owner" not in avatar_of(content, media_type="image/jpeg")

    def test_of_words_is_left_out(self):
        said = PngImagePlugin.PngInfo()
        said.add_text("Comment", "where I live")
        made = avatar_of(saved(halves(), "PNG", pnginfo=said), media_type="image/png")

        assert b"where I live" not in made

    @pytest.mark.parametrize("kind", TYPES)
    def test_behind_the_picture_is_left_out(self, kind: str):
        for behind in (SCRIPT, b"%PDF-1.7\n" + SCRIPT, b"PK\x03\x04" + SCRIPT):
            made = avatar_of(saved(halves(), kind) + behind, media_type=TYPES[kind])

            assert SCRIPT not in made

    def test_inside_a_gif_that_is_a_script_is_left_out(self):
        gif = saved(halves(), "GIF", comment=b"*/=1;alert(1)/*")

        assert b"alert" in gif
        assert b"alert" not in avatar_of(gif, media_type="image/gif")


class TestRefused:
    def test_is_nothing(self):
        assert code_of(b"", "image/png") == "avatar.empty"

    @pytest.mark.parametrize(
        "content",
        [
            SCRIPT,
            b"%PDF-1.7",
            b"<svg xmlns='http://www.w3.org/2000/svg'/>",
            b"RIFF\0\0\0\0WAVE",
            b"BM" + bytes(60),
        ],
    )
    @pytest.mark.parametrize("media_type", MEDIA_TYPES)
    def test_is_what_is_no_picture_whatever_it_is_called(self, content: bytes, media_type: str):
        assert code_of(content, media_type) == "avatar.not_a_picture"

    def test_is_a_picture_that_is_called_another(self):
        assert code_of(saved(halves()), "image/png") == "avatar.type_mismatch"

    @pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
    def test_is_one_that_moves(self, kind: str):
        assert code_of(moving(kind), TYPES[kind]) == "avatar.animated"

    @pytest.mark.parametrize("kind", TYPES)
    def test_is_one_that_is_cut_off(self, kind: str):
        content = saved(halves((300, 300)).rotate(20), kind)

        assert code_of(content[: len(content) // 2], TYPES[kind]) == "avatar.unreadable"
        assert code_of(content[:14], TYPES[kind]) == "avatar.unreadable"

    @pytest.mark.parametrize(
        "size", [(5001, 5000), (10_000, 10_000), (30_000, 30_000), (2_000_000_000, 2_000_000_000)]
    )
    def test_is_one_of_too_many_pixels(self, size: tuple[int, int]):
        assert code_of(png_that_says(*size), "image/png") == "avatar.too_many_pixels"

    def test_is_one_without_pixels(self):
        assert code_of(png_that_says(0, 10), "image/png") == "avatar.unreadable"

    def test_is_a_bomb_before_it_goes_off(self):
        content = bomb(5001, 5000)
        tracemalloc.start()
        try:
            assert code_of(content, "image/png") == "avatar.too_many_pixels"
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

        assert len(content) < 100_000
        assert most < 1_000_000

    def test_is_a_webp_by_its_head_alone(self, monkeypatch: pytest.MonkeyPatch):
        def opened(*_: object, **__: object) -> None:
            raise AssertionError("its decoder takes all of the memory at once")

        monkeypatch.setattr(pictures.Image, "open", opened)

        assert code_of(webp_that_says(16_000, 16_000), "image/webp") == "avatar.too_many_pixels"
        lossless = saved(Image.new("RGB", (5001, 5000)), "WEBP", lossless=True, method=0, quality=0)
        assert lossless[12:16] == b"VP8L"
        assert code_of(lossless, "image/webp") == "avatar.too_many_pixels"
        lossy = saved(Image.new("RGB", (5001, 5000)), "WEBP", method=0)
        assert lossy[12:16] == b"VP8 "
        assert code_of(lossy, "image/webp") == "avatar.too_many_pixels"

    def test_is_not_the_largest_one_that_is_taken(self):
        assert drawn(bomb(5000, 5000), "PNG").size == (512, 512)

    def test_is_opened_by_the_decoder_of_its_kind_alone(self):
        """The first bytes are a PNG's, the rest a JPEG's: no other decoder is tried."""
        assert code_of(b"\x89PNG\r\n\x1a\n" + saved(halves()), "image/png") == "avatar.unreadable"
