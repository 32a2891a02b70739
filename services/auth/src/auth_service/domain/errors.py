from datetime import datetime
from math import ceil

from auth_service.domain.password_strength import REASONS, Weakness
from common.errors import Fault, Kind, QuartetError, unavailable


def credentials_wrong() -> QuartetError:
    return QuartetError(
        "credentials.wrong",
        "The e-mail address or the password is wrong.",
        kind=Kind.UNAUTHENTICATED,
    )


def login_locked(until: datetime, *, now: datetime) -> QuartetError:
    """The same for every address and every password: who waits learns nothing else."""
    return QuartetError(
        "login.locked",
        "Too many wrong passwords came for this address; wait, or sign in on a device that is known.",
        kind=Kind.TOO_MANY,
        retry_after_seconds=max(1, ceil((until - now).total_seconds())),
    )


def email_unverified() -> QuartetError:
    return QuartetError(
        "email.unverified",
        "The address has not been confirmed: use the link of the mail, or ask for another one.",
        kind=Kind.FORBIDDEN,
    )


def hashing_busy() -> QuartetError:
    return unavailable("auth.busy", "Too many people are signing in at this moment; try again shortly.")


def signing_key_missing() -> QuartetError:
    return unavailable("auth.signing_key_missing", "The service is still starting; try again shortly.")


def refresh_token_invalid() -> QuartetError:
    return QuartetError(
        "refresh_token.invalid", "This is no refresh token that was issued here.", kind=Kind.UNAUTHENTICATED
    )


def refresh_token_reused() -> QuartetError:
    return QuartetError(
        "refresh_token.reused",
        "An older refresh token was presented, so somebody has a copy of it: the session has been ended.",
        kind=Kind.UNAUTHENTICATED,
    )


def session_ended() -> QuartetError:
    return QuartetError("session.ended", "The session has ended; sign in again.", kind=Kind.UNAUTHENTICATED)


def session_not_found() -> QuartetError:
    return QuartetError(
        "session.not_found", "There is no such session, or it has ended.", kind=Kind.NOT_FOUND
    )


def csrf_failed() -> QuartetError:
    return QuartetError(
        "csrf.failed",
        "A request with a cookie comes from the same site and sends X-CSRF-Token, as the login told it.",
        kind=Kind.FORBIDDEN,
    )


def link_invalid() -> QuartetError:
    return QuartetError(
        "link.invalid",
        "The link was used before, has expired, or is not one of ours; ask for a new one.",
        kind=Kind.INVALID,
    )


def password_wrong() -> QuartetError:
    return QuartetError("password.wrong", "The current password is wrong.", kind=Kind.FORBIDDEN)


def password_refused(weakness: Weakness, pointer: str) -> QuartetError:
    fault = Fault(pointer, weakness.value, REASONS[weakness])
    return QuartetError("request.invalid", "The request has one fault.", kind=Kind.INVALID, faults=(fault,))


def account_gone() -> QuartetError:
    return QuartetError(
        "account.gone", "The account of this access token is closed or was erased.", kind=Kind.UNAUTHENTICATED
    )


def erasure_not_found() -> QuartetError:
    return QuartetError(
        "erasure.not_found", "This is no receipt of an erasure, or it is too old.", kind=Kind.NOT_FOUND
    )


def export_not_found() -> QuartetError:
    return QuartetError(
        "export.not_found", "There is no such export of yours, or its time is over.", kind=Kind.NOT_FOUND
    )


def export_not_ready() -> QuartetError:
    return QuartetError(
        "export.not_ready",
        "The export is not there yet; its state says whether it will be.",
        kind=Kind.CONFLICT,
    )


def email_taken() -> QuartetError:
    return QuartetError("email.taken", "The address belongs to another account by now.", kind=Kind.CONFLICT)
