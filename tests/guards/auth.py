"""What accounts and their passwords hang on."""

from tests.guards.guard import Guard

_MEANWHILE = "tests/integration/auth/test_changed_meanwhile.py::TestAPasswordThatWasChangedMeanwhile"
_AUTH = "services/auth/src/auth_service"
_PROTECTION = "tests/integration/auth/test_login_protection.py"
_ENUMERATION = "tests/integration/auth/test_enumeration.py::TestALoginAfterARegistration"
_STOLEN = "tests/integration/auth/test_own_password.py::TestAStolenAccessToken"
_OLDER = "tests/integration/auth/test_older_hashes.py"
_USUAL = "tests/integration/auth/test_usual_login.py"

_HOLD = """\
                if may_enter and not await hold_password(tx, stored, user_id=self.user_id):
                    continue
"""
_READ = """\
                found = await read_credentials(
                    tx, user_id=self.user_id, password_tag=self.password_tag, now=self.now
                )
"""

AUTH = (
    Guard(
        "while a lock stands nothing is hashed",
        "usecases/log_in.py",
        "    if found.locked_until is not None:",
        "    if False:",
        f"{_PROTECTION}::TestAGuesser::test_costs_no_hash_while_waiting",
        below=_AUTH,
    ),
    Guard(
        "guesses that come all at once are decided one after the other",
        "usecases/count_attempts.py",
        "    if standing:\n        raise login_locked(max(standing), now=now)\n    begun",
        "    begun",
        f"{_PROTECTION}::TestAGuesser::test_who_asks_all_at_once_gets_no_more_answers",
        below=_AUTH,
    ),
    Guard(
        "failures are counted in the database, not in what was read before",
        "storage/login_attempts.py",
        "login_attempts.failures + 1",
        "1",
        f"{_PROTECTION}::TestAGuesser::test_waits_after_five_wrong_passwords_and_then_learns_nothing",
        below=_AUTH,
    ),
    Guard(
        "strangers do not count on a known device",
        "domain/login_locks.py",
        "    if known_device is not None:",
        "    if known_device is not None and False:",
        f"{_PROTECTION}::TestTheOwner::test_signs_in_from_a_known_device_while_others_guess",
        below=_AUTH,
    ),
    Guard(
        "a device is known at its user's account only",
        "usecases/log_in.py",
        "known.user_id != user_id",
        "False",
        f"{_PROTECTION}::TestTheOwner::test_s_device_helps_at_no_other_account",
        below=_AUTH,
    ),
    Guard(
        "a hash made anew never brings an older password back",
        "storage/credentials.py",
        " AND hashed_password = :former",
        "",
        f"{_OLDER}::TestAnOlderHash::test_never_brings_back_a_password_that_was_changed_meanwhile",
        below=_AUTH,
    ),
    Guard(
        "a password is looked at before it is hashed",
        "usecases/reset_password.py",
        '    rules.require(new, about=about, pointer="/new_password")\n',
        "",
        "tests/integration/auth/test_weak_passwords.py::TestAReset::test_refuses_what_is_made_of_the_user_s_name",
        below=_AUTH,
    ),
    Guard(
        "a registered password is known again, whosever the address is",
        "usecases/log_in.py",
        "registered = found is not None and found.is_registered",
        "registered = False",
        f"{_ENUMERATION}::test_is_told_the_same_for_a_free_address_and_a_taken_one",
        below=_AUTH,
    ),
    Guard(
        "whether an account waits for its mail is told by the registration alone",
        "usecases/log_in.py",
        "return LoginRefusal.UNVERIFIED if registered else LoginRefusal.WRONG",
        "return LoginRefusal.UNVERIFIED if registered or right else LoginRefusal.WRONG",
        f"{_ENUMERATION}::test_is_told_the_same_when_it_comes_after_a_week",
        below=_AUTH,
    ),
    Guard(
        "a guess that is registered before it is tried counts",
        "storage/registrations.py",
        "return tried.rowcount == 1",
        "return tried.rowcount > 1",
        f"{_ENUMERATION}::test_counts_as_one_failure_however_often_it_is_tried",
        below=_AUTH,
    ),
    Guard(
        "a login waits for a password that is being changed",
        "storage/usual_login.py",
        "        FOR SHARE OF u\n",
        "",
        f"{_USUAL}::TestAnAccountThatIsBeingChanged::test_lets_nobody_in_by_the_password_before",
        below=_AUTH,
    ),
    Guard(
        "a login that has decisions on its way waits for it, too",
        "storage/credentials.py",
        " FOR NO KEY UPDATE\n",
        "\n",
        f"{_USUAL}::TestAnAccountThatIsBeingChanged::test_lets_nobody_in_by_the_password_before",
        below=_AUTH,
    ),
    Guard(
        "two logins that renew a hash at once do not wait for each other",
        "storage/credentials.py",
        " FOR NO KEY UPDATE\n",
        " FOR SHARE\n",
        f"{_OLDER}::TestAnOlderHash::test_is_replaced_once_by_two_who_come_at_once",
        below=_AUTH,
    ),
    Guard(
        "whoever is let in after decisions on the way is who they are now",
        "usecases/log_in.py",
        _HOLD + _READ,
        _READ + _HOLD,
        f"{_USUAL}::TestAnAccountThatIsBeingChanged",
        below=_AUTH,
    ),
    Guard(
        "a lock that begins while a password is hashed refuses it",
        "storage/usual_login.py",
        "            AND current_setting('app.login_attempts', true) = 'none'\n",
        "",
        f"{_USUAL}::TestALogin::test_is_refused_when_a_lock_began_while_it_was_hashed",
        below=_AUTH,
    ),
    Guard(
        "what asks for the password once more goes by the one that is still valid",
        "usecases/own_password.py",
        " and await read_password_hash(tx, user_id=claim.user_id) == looked.stored",
        "",
        f"{_MEANWHILE}::test_closes_no_account",
        below=_AUTH,
    ),
    Guard(
        "a wrong password of somebody who is signed in counts as a wrong login",
        "usecases/own_password.py",
        "locked_until = await count_wrong(tx, looked.counted_by, now=now)",
        "locked_until = None",
        f"{_STOLEN}::test_gives_no_more_guesses_than_the_login",
        below=_AUTH,
    ),
    Guard(
        "while a lock stands no password of a signed-in user is looked at",
        "usecases/own_password.py",
        "        await refuse_while_locked(tx, counted_by, now=now)\n",
        "",
        f"{_STOLEN}::test_costs_no_hash_while_it_waits",
        below=_AUTH,
    ),
)
