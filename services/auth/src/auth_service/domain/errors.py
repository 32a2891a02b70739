from common.errors import Kind, QuartetError, unavailable


def credentials_wrong() -> QuartetError:
    return QuartetError(
        "credentials.wrong",
        "The e-mail address or the password is wrong.",
        kind=Kind.UNAUTHENTICATED,
    )


def hashing_busy() -> QuartetError:
    return unavailable("auth.busy", "Too many people are signing in at this moment; try again shortly.")


def signing_key_missing() -> QuartetError:
    return unavailable("auth.signing_key_missing", "The service is still starting; try again shortly.")
