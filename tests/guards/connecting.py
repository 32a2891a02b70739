"""Of connections to PostgreSQL and of settings."""

from tests.guards.guard import Guard

_UNIT = "tests/unit/postgres"
_SERVERS = "tests/integration/connecting"
_MATRIX = f"{_SERVERS}/test_matrix.py::TestOutcome::test_is_libpq_s_in_every_mode"

CONNECTING = (
    Guard(
        "a parameter of a database URL that nobody knows is refused",
        "postgres/url.py",
        '    raise DatabaseUrlError(f"the database URL\'s parameter{told} is unknown: remove it")\n',
        "",
        f"{_UNIT}/test_parameters.py::TestParameter::test_that_nobody_knows_is_refused",
    ),
    Guard(
        "allow and prefer look at the certificate, too",
        "postgres/url.py",
        'connect_args["async_creator_fn"] = partial(connect_either_way, arguments.mode)',
        "pass",
        _MATRIX,
    ),
    Guard(
        "verify-full looks at the server's name",
        "postgres/tls.py",
        'context.check_hostname = mode == "verify-full"',
        "context.check_hostname = False",
        _MATRIX,
    ),
    Guard(
        "a revoked certificate is refused",
        "postgres/tls.py",
        "context.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_CHAIN",
        "pass",
        _MATRIX,
    ),
    Guard(
        "TLS names the protocol: without it a newer server hangs up on direct negotiation",
        "postgres/tls.py",
        'context.set_alpn_protocols(["postgresql"])',
        "pass",
        f"{_SERVERS}/test_parameters.py::TestDirectNegotiation::test_speaks_tls_from_the_first_byte",
    ),
    Guard(
        "a key that others may read is refused",
        "certificates.py",
        "if stat.S_IMODE(status.st_mode) & 0o077 & ~allowed:",
        "if False:",
        f"{_UNIT}/test_tls.py::TestOwnCertificate::test_whose_key_others_may_read_is_refused",
    ),
    Guard(
        "a certificate that has ended is refused by its file's name",
        "certificates.py",
        "if ends_at <= now:",
        "if False:",
        f"{_UNIT}/test_tls.py::TestOwnCertificate::test_that_has_ended_is_refused",
    ),
    Guard(
        "a pooler is known by the process id that it makes up",
        "postgres/pooler.py",
        "if told == serving:",
        "if True:",
        f"{_SERVERS}/test_pooler.py::TestFindingOut::test_that_there_is_one",
    ),
    Guard(
        "while nobody knows whether there is a pooler, statements have no names",
        "postgres/engine.py",
        'if settings.pooler in ("auto", "transaction") and not',
        'if settings.pooler == "transaction" and not',
        "tests/integration/postgres/test_statement_names.py::TestCaches"
        "::test_are_off_and_statements_have_no_name_behind_a_transaction_pooler",
    ),
    Guard(
        "a URL is shown without its password",
        "settings_urls.py",
        'login = f"{name}:{HIDDEN}@" if colon',
        'login = f"{user}@" if colon',
        "tests/unit/settings/test_urls.py::TestShownUrl::test_never_says_the_password",
    ),
    Guard(
        "production refuses secrets for development, in lists and objects too",
        "settings_errors.py",
        '        for part in cast("Iterable[object]", parts):\n            yield from _secrets(part)\n',
        "        del parts\n",
        "tests/unit/settings/test_production.py::TestProduction::test_refuses_secrets_for_development",
    ),
)
