import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from common.postgres.tls import DatabaseUrlError, TlsFiles, create_ssl_context


@pytest.fixture(scope="session")
def files(tmp_path_factory) -> TlsFiles:
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    (folder / "root.crt").write_bytes(pem)
    (folder / "client.crt").write_bytes(pem)
    (folder / "client.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"opens"),
        )
    )
    (folder / "client.key").chmod(0o600)
    return TlsFiles(
        root=str(folder / "root.crt"),
        certificate=str(folder / "client.crt"),
        key=str(folder / "client.key"),
    )


class TestMode:
    def test_disable_is_no_tls(self):
        assert create_ssl_context("disable") is None

    @pytest.mark.parametrize("mode", ["allow", "prefer"])
    def test_that_may_fall_back_is_left_to_the_driver(self, mode):
        assert create_ssl_context(mode) == mode

    def test_require_looks_at_no_certificate_without_a_root(self):
        context = create_ssl_context("require")

        assert (context.verify_mode, context.check_hostname) == (ssl.CERT_NONE, False)

    @pytest.mark.parametrize("mode", ["require", "verify-ca"])
    def test_require_and_verify_ca_check_the_chain_against_a_root(self, mode, files):
        context = create_ssl_context(mode, TlsFiles(root=files.root))

        assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, False)
        assert len(context.get_ca_certs()) == 1

    def test_verify_full_checks_the_name_too(self, files):
        context = create_ssl_context("verify-full", TlsFiles(root=files.root))

        assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)

    @pytest.mark.parametrize("mode", ["verify-ca", "verify-full"])
    def test_that_verifies_needs_a_root(self, mode):
        with pytest.raises(DatabaseUrlError, match="needs sslrootcert"):
            create_ssl_context(mode)

    def test_verify_full_can_trust_what_this_machine_trusts(self):
        context = create_ssl_context("verify-full", TlsFiles(root="system"))

        assert context.check_hostname

    @pytest.mark.parametrize("mode", ["require", "verify-ca"])
    def test_weaker_than_verify_full_cannot_trust_the_whole_world(self, mode):
        with pytest.raises(DatabaseUrlError, match="use sslmode=verify-full"):
            create_ssl_context(mode, TlsFiles(root="system"))


class TestFiles:
    def test_with_an_encrypted_key_need_its_password(self, files):
        assert create_ssl_context("require", files, key_password="opens")
        with pytest.raises(DatabaseUrlError, match="set sslpassword"):
            create_ssl_context("require", files)

    def test_with_a_key_that_others_may_read_are_refused(self, files, tmp_path):
        key = tmp_path / "open.key"
        key.write_bytes(b"")
        key.chmod(0o644)

        with pytest.raises(DatabaseUrlError, match="others may read"):
            create_ssl_context("require", TlsFiles(certificate=files.certificate, key=str(key)))

    @pytest.mark.parametrize(
        ("wrong", "says"),
        [
            (TlsFiles(root="/nowhere/ca.crt"), "sslrootcert: /nowhere/ca.crt cannot be used: No such file"),
            (TlsFiles(root=__file__), "sslrootcert: .* cannot be used"),
            (TlsFiles(certificate=__file__), "needs its key"),
            (TlsFiles(certificate=__file__, key="/nowhere/key"), "sslkey: /nowhere/key cannot be read"),
        ],
    )
    def test_that_are_wrong_are_named(self, wrong, says):
        with pytest.raises(DatabaseUrlError, match=says):
            create_ssl_context("require", wrong)

    def test_are_found_in_libpq_s_order(self, tmp_path):
        (tmp_path / ".postgresql").mkdir()
        (tmp_path / ".postgresql" / "root.crt").write_text("")
        home = {"HOME": str(tmp_path)}

        assert TlsFiles.found({"sslrootcert": "/a"}, home | {"PGSSLROOTCERT": "/b"}).root == "/a"
        assert TlsFiles.found({}, home | {"PGSSLROOTCERT": "/b"}).root == "/b"
        assert TlsFiles.found({}, home).root == str(tmp_path / ".postgresql" / "root.crt")
        assert TlsFiles.found({}, {}).root is None
