import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from common.postgres.tls import create_ssl_context
from common.postgres.tls_files import TlsFiles
from common.postgres.url_errors import DatabaseUrlError
from tests.support.authority import Authority


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def root(authority) -> TlsFiles:
    return TlsFiles(root=str(authority.ca_file))


def own(pair: tuple[Path, Path]) -> TlsFiles:
    certificate, key = pair
    return TlsFiles(certificate=str(certificate), key=str(key))


class TestMode:
    def test_disable_is_no_tls(self):
        assert create_ssl_context("disable") is None

    @pytest.mark.parametrize("mode", ["allow", "prefer", "require"])
    def test_that_does_not_verify_looks_at_no_certificate_without_a_root(self, mode):
        context = create_ssl_context(mode)

        assert (context.verify_mode, context.check_hostname) == (ssl.CERT_NONE, False)

    @pytest.mark.parametrize("mode", ["allow", "prefer", "require", "verify-ca"])
    def test_checks_the_chain_against_a_root(self, mode, root):
        context = create_ssl_context(mode, root)

        assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, False)
        assert len(context.get_ca_certs()) == 1

    def test_verify_full_checks_the_name_too(self, root):
        context = create_ssl_context("verify-full", root)

        assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)

    @pytest.mark.parametrize("mode", ["verify-ca", "verify-full"])
    def test_that_verifies_needs_a_root(self, mode):
        with pytest.raises(DatabaseUrlError, match="needs sslrootcert"):
            create_ssl_context(mode)

    def test_verify_full_can_trust_what_this_machine_trusts(self):
        context = create_ssl_context("verify-full", TlsFiles(root="system"))

        assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)

    @pytest.mark.parametrize("mode", ["allow", "prefer", "require", "verify-ca"])
    def test_weaker_than_verify_full_cannot_trust_the_whole_world(self, mode):
        with pytest.raises(DatabaseUrlError, match="use sslmode=verify-full"):
            create_ssl_context(mode, TlsFiles(root="system"))


class TestVersions:
    def test_begin_with_1_2_unless_told_otherwise(self):
        assert create_ssl_context("require").minimum_version is ssl.TLSVersion.TLSv1_2

    def test_are_taken_in_any_case(self):
        context = create_ssl_context("require", minimum_version="tlsv1.3", maximum_version="TLSV1.3")

        assert context.minimum_version is context.maximum_version is ssl.TLSVersion.TLSv1_3

    @pytest.mark.parametrize(
        ("minimum", "maximum", "says"),
        [
            ("TLSv1.1", None, "a TLS version is not one of TLSv1.2, TLSv1.3"),
            ("TLSv1.2", "SSLv3", "a TLS version is not one of"),
            ("TLSv1.3", "TLSv1.2", "TLSv1.2 is older than ssl_min_protocol_version=TLSv1.3"),
        ],
    )
    def test_that_cannot_be_are_refused(self, minimum, maximum, says):
        with pytest.raises(DatabaseUrlError, match=says):
            create_ssl_context("require", minimum_version=minimum, maximum_version=maximum)


class TestOwnCertificate:
    def test_with_an_encrypted_key_needs_its_password(self, authority):
        files = own(authority.issue("encrypted", password=b"opens"))

        assert create_ssl_context("require", files, key_password="opens")

    @pytest.mark.parametrize(
        ("password", "says"), [(None, "is encrypted: set sslpassword"), ("hunter2", "open with sslpassword")]
    )
    def test_whose_key_does_not_open_is_refused(self, authority, password, says):
        files = own(authority.issue("locked", password=b"opens"))

        with pytest.raises(DatabaseUrlError, match=f"locked.key .*{says}") as refused:
            create_ssl_context("require", files, key_password=password)

        assert "hunter2" not in str(refused.value)

    def test_with_the_key_of_another_is_refused(self, authority):
        certificate, _ = authority.issue("one")
        _, key = authority.issue("two")

        with pytest.raises(DatabaseUrlError, match=r"two.key is not the key of .*one.crt: name the two"):
            create_ssl_context("require", own((certificate, key)))

    def test_that_is_too_weak_is_not_called_another_s(self, authority):
        weak = own(authority.issue("weak", key=rsa.generate_private_key(65537, 1024)))

        with pytest.raises(DatabaseUrlError, match=r"weak.crt is too weak for TLS: make it anew"):
            create_ssl_context("require", weak)

    def test_without_a_key_is_refused(self, authority):
        certificate, _ = authority.issue("keyless")

        with pytest.raises(DatabaseUrlError, match="needs its key: name the file in sslkey"):
            create_ssl_context("require", TlsFiles(certificate=str(certificate)))

    def test_that_has_ended_is_refused(self, authority):
        with pytest.raises(DatabaseUrlError, match=r"sslcert: .*over.crt ended on \d{4}-.*: renew it"):
            create_ssl_context("require", own(authority.issue("over", days=-1)))

    @pytest.mark.parametrize("rights", [0o644, 0o660, 0o604])
    def test_whose_key_others_may_read_is_refused(self, authority, rights):
        certificate, key = authority.issue(f"open{rights:o}")
        key.chmod(rights)

        with pytest.raises(DatabaseUrlError, match=r"sslkey: others may read .*: chmod 6[04]0 it"):
            create_ssl_context("require", own((certificate, key)))


class TestFile:
    @pytest.mark.parametrize(
        ("wrong", "says"),
        [
            (TlsFiles(root="/nowhere/ca.crt"), "sslrootcert: /nowhere/ca.crt does not exist: make it"),
            (TlsFiles(root="/tmp"), "sslrootcert: /tmp cannot be read .Is a directory."),
            (TlsFiles(root=__file__), "sslrootcert: .*test_tls.py holds no certificate in PEM form"),
            (TlsFiles(certificate="/nowhere/c", key="/k"), "sslcert: /nowhere/c does not exist"),
            (TlsFiles(revoked="/nowhere/crl"), "sslcrl: /nowhere/crl does not exist"),
            (TlsFiles(revoked=__file__), "sslcrl: .*test_tls.py holds no revocation list"),
            (TlsFiles(revoked_folder="/nowhere"), "sslcrldir: /nowhere is no folder: correct the path"),
        ],
    )
    def test_that_is_wrong_is_named(self, wrong, says):
        with pytest.raises(DatabaseUrlError, match=says):
            create_ssl_context("require", wrong)

    def test_of_a_key_that_is_missing_is_named(self, authority):
        certificate, _ = authority.issue("alone")

        with pytest.raises(DatabaseUrlError, match="sslkey: /nowhere/key does not exist"):
            create_ssl_context("require", own((certificate, Path("/nowhere/key"))))

    def test_of_a_key_that_holds_none_is_named(self, authority):
        certificate, key = authority.issue("garbled")
        key.write_text("hunter2")

        with pytest.raises(DatabaseUrlError, match=r"sslkey: .*garbled.key is no key in PEM form") as refused:
            create_ssl_context("require", own((certificate, key)))

        assert "hunter2" not in str(refused.value)

    def test_that_is_the_secret_itself_is_not_shown(self, authority):
        certificate, _ = authority.issue("shown")
        key = TlsFiles(certificate=str(certificate), key="-----BEGIN PRIVATE KEY-----\nhunter2")

        with pytest.raises(DatabaseUrlError, match="sslkey: what is not shown") as refused:
            create_ssl_context("require", key)

        assert "hunter2" not in str(refused.value)

    def test_of_an_authority_that_has_ended_is_refused(self, tmp_path):
        over = Authority(tmp_path, name="over", days=-1)

        with pytest.raises(DatabaseUrlError, match=r"sslrootcert: .*over.crt ended on .*: renew it"):
            create_ssl_context("verify-ca", TlsFiles(root=str(over.ca_file)))

    def test_of_authorities_may_hold_one_that_has_ended(self, authority, tmp_path):
        both = tmp_path / "both.crt"
        over = Authority(tmp_path, name="over", days=-1)
        both.write_bytes(over.ca_file.read_bytes() + authority.ca_file.read_bytes())

        assert create_ssl_context("verify-ca", TlsFiles(root=str(both)))

    def test_of_revoked_certificates_that_is_overdue_is_refused(self, tmp_path):
        overdue = Authority(tmp_path).revocation_list(days=-1)

        with pytest.raises(DatabaseUrlError, match=r"sslcrl: .* fetch the new list"):
            create_ssl_context("require", TlsFiles(revoked=str(overdue)))

    def test_of_revoked_certificates_is_looked_at_for_the_whole_chain(self, authority, root):
        revoked = TlsFiles(root=root.root, revoked=str(authority.revocation_list()))

        context = create_ssl_context("require", revoked)

        assert ssl.VerifyFlags.VERIFY_CRL_CHECK_CHAIN in context.verify_flags
