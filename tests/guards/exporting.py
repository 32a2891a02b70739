"""What it hangs on that an export is its user's alone, whole, and gone when it should be."""

from tests.guards.guard import Guard

_AUTH = "services/auth/src/auth_service"
_TESTS = "tests/integration/exports"


def _guard(name: str, file: str, present: str, absent: str, test: str) -> Guard:
    return Guard(name, file, present, absent, f"{_TESTS}/{test}", below=_AUTH)


EXPORTING = (
    _guard(
        "two who ask for an export at once take turns",
        "usecases/ask_for_export.py",
        "from auth_service.storage.users import lock_user\n",
        "from auth_service.storage.users import read_user_state as lock_user\n",
        "test_asking.py::TestAsking::test_by_ten_at_once_makes_one",
    ),
    _guard(
        "an export is made for a fresh sign-in",
        "api/exports.py",
        "dependencies=[require_fresh(FRESH_SECONDS), per_user(EXPORT)],",
        "dependencies=[per_user(EXPORT)],",
        "test_asking.py::TestAsking::test_needs_a_fresh_sign_in",
    ),
    _guard(
        "an export is given to a fresh sign-in",
        "api/exports.py",
        "dependencies=[require_fresh(FRESH_SECONDS), per_user(EXPORT_FILE)],",
        "dependencies=[per_user(EXPORT_FILE)],",
        "test_fetching.py::TestFetching::test_needs_a_fresh_sign_in",
    ),
    _guard(
        "a service that has told its part is not asked again",
        "usecases/make_export.py",
        "if service not in export.parts:",
        "if True:",
        "test_making.py::TestAKilledWorker::test_is_followed_by_one_that_makes_the_rest",
    ),
    _guard(
        "a part is in the storage before the row says so",
        "usecases/make_export.py",
        "            await self.files.put(export, service, part)\n",
        "            pass\n",
        "test_making.py::TestMaking::test_puts_together_what_every_service_holds",
    ),
    _guard(
        "a part of more than anybody should hold is refused",
        "clients/service_parts.py",
        "if len(told) > self._most_bytes:",
        "if False:",
        "test_making.py::TestMaking::test_of_more_than_anybody_should_carry_fails_and_may_be_asked_for_again",
    ),
    _guard(
        "a part is sealed for its place",
        "usecases/export_files.py",
        'return ("exports", str(export.id), service)',
        'return ("exports", str(export.id), "")',
        "test_fetching.py::TestFiles::test_that_lie_in_another_s_place_do_not_open",
    ),
    _guard(
        "an export whose time is over is nobody's",
        "storage/exports.py",
        "WHERE user_id = :user_id AND expires_at > :now\n",
        "WHERE user_id = :user_id AND (expires_at > :now OR true)\n",
        "test_fetching.py::TestAfterSevenDays::test_it_is_gone_for_its_user",
    ),
    _guard(
        "the files of an export go with it",
        "usecases/remove_exports.py",
        "removed = await self.files.remove(files_of_export(user_id, export_id))",
        "removed = 0",
        "test_fetching.py::TestAfterSevenDays::test_it_is_gone_from_the_storage_and_then_from_the_database",
    ),
    _guard(
        "the files of exports go with their user",
        "usecases/erase_account.py",
        "        await ask_to_remove_all(tx, user_id=user_id, now=now)\n",
        "",
        "test_making.py::TestAnErasure::test_ends_the_making_and_leaves_no_file",
    ),
    _guard(
        "an erasure looks for the files of exports once more",
        "usecases/remove_exports.py",
        '(("now", None), ("later", now + _NO_LATER_THAN))',
        '(("now", None),)',
        "test_making.py::TestAnErasure::test_ends_the_making_and_leaves_no_file",
    ),
)
