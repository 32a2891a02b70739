"""What mails hang on."""

from tests.guards.guard import Guard

_AUTH = "services/auth/src/auth_service"
_MAILBOXES = "tests/integration/auth/test_mailboxes.py"
_MAILS = "tests/integration/auth/test_mails.py"
_FIRST = "tests/integration/auth/test_strangers_first.py::TestTheOwner"
_LETTERS = "tests/unit/services/test_letters.py"
_MAILER = "tests/unit/services/test_mailer.py"

MAILING = (
    Guard(
        "nobody is let in before the address is verified",
        "usecases/log_in.py",
        "found.may_log_in and found.stored.is_verified:",
        "found.may_log_in:",
        "tests/integration/auth/test_registration.py::TestLogin"
        "::test_of_an_address_that_is_not_verified_is_refused_to_whoever_knows_the_password",
        below=_AUTH,
    ),
    Guard(
        "a mail that is sent again is the same mail",
        "usecases/write_mail.py",
        'f"<{mail_id}@{sender.domain}>"',
        'f"<{now.timestamp()}@{sender.domain}>"',
        f"{_MAILS}::TestServer::test_that_broke_off_gets_the_same_mail_again",
        below=_AUTH,
    ),
    Guard(
        "what a mail is told is escaped in its HTML",
        "usecases/write_mail.py",
        "{name: escape(value) for",
        "{name: value for",
        f"{_LETTERS}::TestLetter::test_shows_what_it_is_told_and_runs_none_of_it",
        below=_AUTH,
    ),
    Guard(
        "TLS is asked for, not left to what the server offers",
        "clients/mailer.py",
        'start_tls=server.tls == "starttls"',
        'start_tls=None if server.tls == "starttls" else False',
        f"{_MAILER}::TestServer::test_without_tls_gets_nothing_when_tls_was_asked_for",
        below=_AUTH,
    ),
    Guard(
        "a mail that was taken is not sent again for want of a goodbye",
        "clients/mailer.py",
        "with suppress(aiosmtplib.SMTPException, OSError):",
        "with suppress():",
        f"{_MAILER}::TestSending::test_is_over_when_the_mail_is_taken_whatever_becomes_of_the_goodbye",
        below=_AUTH,
    ),
    Guard(
        "a server's sentence is not kept: it may repeat the address",
        "clients/mailer.py",
        'return f"{answer.code} {enhanced[0]}" if enhanced else str(answer.code)',
        'return f"{answer.code} {answer.message}" if enhanced else str(answer.code)',
        f"{_MAILER}::TestRefusal::test_for_good_is_not_tried_again_and_repeats_no_address",
        below=_AUTH,
    ),
    Guard(
        "a link that is over is neither mailed nor made anew",
        "usecases/prepare_link.py",
        "return made.purpose if made.works else None",
        "return made.purpose",
        f"{_MAILS}::TestNothing::test_is_sent_that_carries_a_link_which_is_over",
        below=_AUTH,
    ),
    Guard(
        "mails to one address are counted before anybody looks whether it is known",
        "api/verification.py",
        "    await count_mail_to(email)\n",
        "    del count_mail_to\n",
        f"{_MAILBOXES}::TestMailbox::test_is_written_to_so_often_an_hour_whatever_is_asked_for",
        below=_AUTH,
    ),
    Guard(
        "the mail to set a password is counted apart",
        "api/mailboxes.py",
        "Depends(PerMailbox(MAILBOX_RESET))",
        "Depends(PerMailbox(MAILBOX))",
        f"{_MAILBOXES}::TestMailbox::test_that_is_full_still_gets_the_mail_to_set_a_password_and_not_for_ever",
        below=_AUTH,
    ),
    Guard(
        "a stranger's registration keeps back no mail of another's",
        "usecases/register.py",
        "if not (was_kept(kept) and number_of_links(links)):",
        "if not number_of_links(links):",
        f"{_FIRST}::test_gets_a_mail_of_their_own_a_moment_after_a_stranger",
        below=_AUTH,
    ),
    Guard(
        "an address that several registered is not verified with the first one's password",
        "usecases/prepare_link.py",
        "if not await is_the_only_registration(",
        "if not user_id and await is_the_only_registration(",
        f"{_FIRST}::test_who_asks_for_another_mail_chooses_a_password",
        below=_AUTH,
    ),
    Guard(
        "an address is counted by its tag",
        "api/mailboxes.py",
        'resources.macs.tag("mailbox", email.compared.encode()).hex()',
        "email.compared",
        f"{_MAILBOXES}::TestMailbox::test_is_not_named_in_redis",
        below=_AUTH,
    ),
)
