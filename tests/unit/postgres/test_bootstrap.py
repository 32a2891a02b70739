import base64
import hashlib
import hmac
import re
import subprocess
import sys

import pytest

from common.postgres.bootstrap import (
    contexts_of,
    database_sql,
    logins,
    passwords_sql,
    roles_sql,
    scram_verifier,
)


class TestBootstrapFile:
    def test_is_printed_without_a_password(self):
        printed = subprocess.run(
            [sys.executable, "-m", "common.postgres.bootstrap", "--sql"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout

        assert printed == roles_sql() + database_sql("quartet")
        assert "password" not in printed

    def test_lets_no_login_inherit(self):
        created = re.findall(r"create role (\w+) (\w+) (\w+);", roles_sql())

        assert {name for name, login, _ in created if login == "login"} == set(logins())
        assert {inherits for _, _, inherits in created} == {"noinherit"}

    @pytest.mark.parametrize("service", ["auth", "profile", "calendar", "chat"])
    def test_makes_the_system_role_the_worker_s_alone(self, service):
        [api] = re.findall(rf"grant (.*) to {service}_api;", roles_sql())
        [worker] = re.findall(rf"grant (.*) to {service}_worker;", roles_sql())

        assert f"{service}_system" not in api.split(", ")
        assert set(worker.split(", ")) == {f"{service}_{kind}" for kind in ("user", "system", "shared")}

    def test_knows_the_login_role_in_auth_only(self):
        assert "login" in contexts_of("auth")
        assert "login" not in contexts_of("chat")

    def test_quotes_the_database_s_name(self):
        assert 'on database "a""b" from public' in database_sql('a"b')


class TestScramVerifier:
    def test_proves_the_password_of_the_standard_s_example(self):
        # RFC 7677, section 3
        salt = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
        message = (
            b"n=user,r=rOprNGfwEbeRWgbNEkqO,"
            b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
            b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
        )

        verifier = scram_verifier("pencil", salt)

        stored, server = (base64.b64decode(part) for part in verifier.rpartition("$")[2].split(":"))
        proof = base64.b64decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
        signature = hmac.digest(stored, message, "sha256")
        client_key = bytes(a ^ b for a, b in zip(proof, signature, strict=True))
        assert hashlib.sha256(client_key).digest() == stored
        expected = base64.b64decode("6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
        assert hmac.digest(server, message, "sha256") == expected

    def test_is_salted_anew_each_time(self):
        assert scram_verifier("pencil") != scram_verifier("pencil")

    def test_is_all_that_the_server_is_told(self):
        assert "pencil" not in passwords_sql({"auth_api": scram_verifier("pencil")})
