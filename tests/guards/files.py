"""What files and pictures of users hang on."""

from tests.guards.guard import Guard

_PROFILE = "services/profile/src/profile_service"
_PICTURES = "tests/unit/profile/test_pictures.py"
_AVATAR = "tests/integration/profile/test_avatar.py"
_BLOBS = "tests/integration/blobs"


def _of_pictures(name: str, present: str, absent: str, test: str) -> Guard:
    return Guard(name, "domain/pictures.py", present, absent, f"{_PICTURES}::{test}", below=_PROFILE)


STORING = (
    Guard(
        "a blob's name leads out of nothing",
        "blobs/store.py",
        "if pattern.fullmatch(name) is None:",
        "if False:",
        f"{_BLOBS}/test_blobs.py::TestBlob::test_has_a_name_that_leads_out_of_nothing",
    ),
    Guard(
        "a file is on the disk before it has its name",
        "blobs/folder.py",
        "os.fsync(file.fileno())",
        "pass",
        f"{_BLOBS}/test_folder.py::TestFolder::test_has_each_blob_on_the_disk_before_it_is_told",
    ),
    Guard(
        "a file's name is on the disk before it is told",
        "blobs/folder.py",
        "                _sync(folder)\n",
        "                pass\n",
        f"{_BLOBS}/test_folder.py::TestFolder::test_has_each_blob_on_the_disk_before_it_is_told",
    ),
    Guard(
        "what a killed writer left is forgotten",
        "blobs/folder.py",
        "_forget_unfinished(aside, before=time.time() - _LEFT_SECONDS)",
        "pass",
        f"{_BLOBS}/test_folder.py::TestFolder::test_forgets_what_a_killed_writer_left",
    ),
    Guard(
        "the storage's address is ours alone to set",
        "blobs/s3.py",
        '"aws_endpoint_url_s3": endpoint,',
        "",
        f"{_BLOBS}/test_s3.py::TestStorage::test_takes_nothing_from_variables_of_other_programs",
    ),
    Guard(
        "a bucket that is not there is no missing file",
        "blobs/s3.py",
        "if _code(error) != _NOT_THERE:",
        "if False:",
        f"{_BLOBS}/test_s3.py::TestStorage::test_names_the_setting_that_is_wrong_and_no_secret",
    ),
)

DRAWING = (
    _of_pictures(
        "pixels are counted before they are unpacked",
        "if found.width * found.height > MOST_PIXELS:",
        "if False:",
        "TestRefused::test_is_a_bomb_before_it_goes_off",
    ),
    _of_pictures(
        "a WebP's pixels are counted before its decoder sees it",
        "if kind is _WEBP and _webp_pixels(content) > MOST_PIXELS:",
        "if False:",
        "TestRefused::test_is_a_webp_by_its_head_alone",
    ),
    _of_pictures(
        "a picture is what its first bytes say",
        "if kind.media_type != media_type:",
        "if False:",
        "TestRefused::test_is_a_picture_that_is_called_another",
    ),
    _of_pictures(
        "a picture does not move",
        'if found.format != "MPO" and getattr(found, "is_animated", False):',
        "if False:",
        "TestRefused::test_is_one_that_moves",
    ),
    _of_pictures(
        "a picture is turned upright before what turned it is left out",
        "upright = ImageOps.exif_transpose(small)",
        "upright = small",
        "TestWhatComesAlong::test_turns_the_picture_upright",
    ),
)


def _of_avatars(name: str, file: str, present: str, absent: str, test: str) -> Guard:
    return Guard(name, file, present, absent, f"{_AVATAR}::{test}", below=_PROFILE)


SHOWING = (
    _of_avatars(
        "each upload has a name of its own",
        "domain/avatars.py",
        "-{upload_id.hex}.webp",
        "-{'0' * 32}.webp",
        "TestAnother::test_of_the_older_picture_is_safe_from_whoever_removes_its_first_file",
    ),
    _of_avatars(
        "a file that no row came to name goes",
        "usecases/change_avatar.py",
        "        await self.database.in_transaction(user_id, announce)\n",
        "",
        "TestBrokenOff::test_before_the_row_was_written_nothing_is_shown",
    ),
    _of_avatars(
        "a file that is shown stays",
        "usecases/remove_avatars.py",
        "if shown.blob == blob:",
        "if False:",
        "TestBrokenOff::test_before_the_row_was_written_nothing_is_shown",
    ),
    _of_avatars(
        "erasure looks for files once more",
        "usecases/remove_avatars.py",
        '(("now", None), ("later", now + UNCLAIMED_AFTER))',
        '(("now", None),)',
        "TestBrokenOff::test_of_a_user_who_was_erased_meanwhile_leaves_nothing",
    ),
    _of_avatars(
        "a file that went while it was asked for is looked up anew",
        "usecases/show_avatar.py",
        "if present == shown:",
        "if True:",
        "TestAnother::test_that_comes_while_the_first_is_read_is_shown",
    ),
    _of_avatars(
        "a picture may be larger than other bodies",
        "api/avatar.py",
        "@takes_up_to(MOST_BYTES)\n",
        "",
        "TestRefused::test_is_not_a_picture_of_the_largest_size",
    ),
)

FILES = (*STORING, *DRAWING, *SHOWING)
