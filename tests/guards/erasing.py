"""What it hangs on that erased users stay erased."""

from tests.guards.guard import Guard

_AUTH = "services/auth/src/auth_service"
_LISTENERS = "tests/integration/erasure/test_listeners.py"
_ACCOUNT = "tests/integration/erasure/test_account.py"

ERASING = (
    Guard(
        "a first row is not made for an erased user",
        "erasure.py",
        "    return not erased",
        "    return True",
        f"{_LISTENERS}::TestAnErasedUser::test_is_not_brought_back_by_an_event_that_comes_late",
    ),
    Guard(
        "erased users are remembered",
        "erasure.py",
        "        await remember_erased(tx, user_ids)\n",
        "",
        f"{_LISTENERS}::TestAnErasedUser::test_is_not_brought_back_by_an_event_that_comes_late",
    ),
    Guard(
        "whoever erases waits for whoever makes a first row",
        "erasure.py",
        "        await lock_users(tx, user_ids)\n",
        "",
        f"{_LISTENERS}::TestErasing::test_waits_for_whoever_makes_a_first_row",
    ),
    Guard(
        "an erasure passes a key that had to stop",
        "messaging/delivery.py",
        "in parked and not _passes(message):",
        "in parked:",
        f"{_LISTENERS}::TestAKeyThatHadToStop::test_does_not_hold_the_erasure_up_and_is_open_again",
    ),
    Guard(
        "a key is opened with the messages that waited in it",
        "erasure.py",
        "        await tx.execute(_OPEN_KEYS, told)\n",
        "",
        f"{_LISTENERS}::TestAKeyThatHadToStop::test_does_not_hold_the_erasure_up_and_is_open_again",
    ),
    Guard(
        "an id that was erased is not registered again",
        "usecases/register.py",
        "if not may_have_begun(found_first(tx)):",
        "if False:",
        f"{_ACCOUNT}::TestTheAddress::test_found_before_its_erasure_is_registered_under_another_id",
        below=_AUTH,
    ),
    Guard(
        "a password that was changed meanwhile erases nothing",
        "usecases/erase_account.py",
        "if looked is not None and not await is_proven(",
        "if looked is None and not await is_proven(",
        f"{_ACCOUNT}::TestErasing::test_by_a_password_that_was_changed_meanwhile_changes_nothing",
        below=_AUTH,
    ),
    Guard(
        "without a password a fresh sign-in is asked for",
        "api/erasure.py",
        "        await _fresh(request, user)\n",
        "        pass\n",
        f"{_ACCOUNT}::TestErasing::test_without_a_password_and_long_after_the_sign_in_is_challenged",
        below=_AUTH,
    ),
    Guard(
        "a receipt cannot be made up",
        "domain/erasure_receipts.py",
        "if len(tag) != TAG_BYTES or not macs.fits(tag, _PURPOSE, said):",
        "if False:",
        "tests/integration/erasure/test_receipt.py::TestTheReceipt::test_of_another_user_cannot_be_made_from_ones_own",
        below=_AUTH,
    ),
    Guard(
        "the address is forgotten with its last mail",
        "usecases/send_mail.py",
        "                await forget_farewell(tx, user_id=job.user_id)\n",
        "                pass\n",
        f"{_ACCOUNT}::TestTheAddress::test_is_told_once_more_and_then_forgotten",
        below=_AUTH,
    ),
    Guard(
        "each export is written down",
        "http/export.py",
        """            await audit(
                tx,
                entry_id=new_id(),
                actor=f"service:{caller.client_id}",
                action="user.exported",
                user_id=user_id,
                data={},
            )
""",
        "",
        "tests/integration/erasure/test_export.py::TestAnExport::test_names_whoever_read_it_in_the_audit_log",
    ),
)
