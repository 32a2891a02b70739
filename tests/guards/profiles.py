"""What profiles hang on."""

from tests.guards.guard import Guard

_PROFILE = "services/profile/src/profile_service"
_ME = "tests/integration/profile/test_me.py"
_OVERTAKEN = "tests/integration/profile/test_overtaken.py::TestAChange"
_UNCHANGED = "tests/integration/profile/test_unchanged.py"
_KNOWN = "tests/integration/profile/test_known_versions.py"
_FIELDS = "tests/unit/profile/test_fields.py"

PROFILES = (
    Guard(
        "a profile is locked while it is merged",
        "storage/profiles.py",
        "WHERE user_id = :user_id FOR UPDATE",
        "WHERE user_id = :user_id",
        f"{_OVERTAKEN}::test_that_completes_is_merged_into_what_the_other_wrote",
        below=_PROFILE,
    ),
    Guard(
        "a profile is written where nobody was faster",
        "storage/profiles.py",
        "WHERE user_id = $1 AND version = $2",
        "WHERE user_id = $1 AND version >= $2",
        f"{_OVERTAKEN}::test_is_merged_into_what_the_other_wrote",
        below=_PROFILE,
    ),
    Guard(
        "a profile that becomes complete is told of",
        "usecases/change_profile.py",
        "if not completes(present, values):",
        "if True:",
        f"{_ME}::TestCompleteness::test_is_told_once_when_all_that_counts_is_said",
        below=_PROFILE,
    ),
    Guard(
        "a profile that is there is not made again",
        "storage/profiles.py",
        "    ON CONFLICT DO NOTHING\n",
        "",
        f"{_ME}::TestTheEvent::test_that_comes_twice_changes_nothing_the_second_time",
        below=_PROFILE,
    ),
    Guard(
        "an account's news is taken once",
        "usecases/create_profile.py",
        "if present is None or present.account_version >= new.account_version:",
        "if present is None:",
        f"{_ME}::TestTheEvent::test_that_comes_twice_changes_nothing_the_second_time",
        below=_PROFILE,
    ),
    Guard(
        "what did not change is not checked anew",
        "domain/document.py",
        "if given == shown(kept):",
        "if False:",
        f"{_ME}::TestPatch::test_does_not_check_anew_what_it_leaves",
        below=_PROFILE,
    ),
    Guard(
        "what is only shown is not changed",
        "domain/document.py",
        "if value != read_only[name] or type(value) is not type(read_only[name]):",
        "if False:",
        f"{_ME}::TestPut::test_changes_nothing_that_is_only_shown",
        below=_PROFILE,
    ),
    Guard(
        "a profile is completed once",
        "usecases/write_profile.py",
        "return profile.completed_at is None and",
        "return",
        f"{_ME}::TestCompleteness::test_is_told_once_when_all_that_counts_is_said",
        below=_PROFILE,
    ),
    Guard(
        "the public profile's version tells nothing of private changes",
        "storage/public_profiles.py",
        '    WHERE ({", ".join',
        '    WHERE true OR ({", ".join',
        f"{_ME}::TestThePublicProfile::test_has_a_version_that_tells_nothing_of_private_changes",
        below=_PROFILE,
    ),
    Guard(
        "a date that could mean two days is not guessed",
        "domain/dates.py",
        "if len(found) == 2:",
        "found = found[:1]\n    if False:",
        f"{_FIELDS}::TestADateOfBirth::test_that_could_mean_two_days_is_refused_with_both",
        below=_PROFILE,
    ),
    Guard(
        "a URL shows nobody's name or password",
        "domain/urls.py",
        'if "@" in re.split(',
        "if not re.split(",
        f"{_FIELDS}::TestAWebsite::test_that_hides_where_it_leads_is_refused",
        below=_PROFILE,
    ),
    Guard(
        "a joiner stands only in scripts that use it",
        "domain/texts.py",
        "joins = character in _JOINERS and _between_joined(categories, place)",
        "joins = character in _JOINERS",
        f"{_FIELDS}::TestALine::test_holds_nothing_that_cannot_be_seen",
        below=_PROFILE,
    ),
    Guard(
        "a version is forgotten before its change is answered",
        "postgres/engine.py",
        "        if names and self._on_change is not None:",
        "        if False:",
        f"{_UNCHANGED}::TestWhatIsUnchanged::test_is_forgotten_before_a_change_is_answered",
    ),
    Guard(
        "a change that was rolled back leaves what is known",
        "postgres/engine.py",
        "        _named(pooled, _CHANGED)\n        try:",
        "        try:",
        f"{_UNCHANGED}::TestACommit::test_that_never_came_leaves_what_is_known",
    ),
    Guard(
        "a version that was read before a change is not learned after it",
        "known_versions.py",
        "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('SET'",
        "if true then redis.call('SET'",
        f"{_UNCHANGED}::TestAReader::test_that_was_overtaken_learns_nothing",
    ),
    Guard(
        "who names several versions is answered by the database",
        "http/unchanged.py",
        "and len(tags.strong) + len(tags.weak) == 1",
        "",
        f"{_UNCHANGED}::TestWhatIsUnchanged::test_is_asked_of_the_database_by_who_names_not_one_version",
    ),
    Guard(
        "a wrong version in Redis is forgotten by who has a newer one",
        "known_versions.py",
        "elif look.version is not None and look.version != version:",
        "elif False:",
        f"{_UNCHANGED}::TestAWrongVersionInRedis::test_leads_nobody_back_and_is_forgotten",
    ),
    Guard(
        "a caller who left leaves the others their answer about a version",
        "known_versions.py",
        "                if not answer.done():",
        "                if True:",
        f"{_KNOWN}::TestWhoAsksAtOnce::test_is_answered_although_another_has_left",
    ),
    Guard(
        "who asks about a version at once asks Redis once",
        "known_versions.py",
        "        if not self._asking:",
        "        if True:",
        f"{_KNOWN}::TestWhoAsksAtOnce::test_asks_one_question_and_is_answered_each_for_itself",
    ),
    Guard(
        "no request waits for a Redis that stands still",
        "known_versions.py",
        "await asyncio.wait((asked,), timeout=within_seconds)",
        "await asyncio.wait((asked,))",
        f"{_UNCHANGED}::TestDevicesOfOneUser::test_are_led_back_by_no_redis_that_stood_still",
    ),
    Guard(
        "each look of the staff is written down",
        "usecases/look_at_profile.py",
        "    await audit(",
        "    audit(",
        "tests/integration/profile/test_staff.py::TestALookOfTheStaff::test_is_not_shown_when_it_cannot_be_written_down",
        below=_PROFILE,
    ),
)
