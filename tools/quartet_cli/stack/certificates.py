"""The stack's own certificate authority and a certificate for each server and client."""

import datetime as dt
import ipaddress
import shutil
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from quartet_cli.stack.files import Owner, make_folder, write_private

SERVERS = ("kafka", "postgres", "pgbouncer", "redis", "gateway")
CLIENTS = ("auth", "profile", "calendar", "chat", "operator")
VALID = dt.timedelta(days=825)
RENEW_BEFORE = dt.timedelta(days=30)
AUTHORITY = "Quartet local authority"


@dataclass(frozen=True, slots=True)
class _Identity:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )


def ensure_certificates(folder: Path, *, server_owner: Owner, now: dt.datetime | None = None) -> None:
    """All are good for another month, or all are made anew: an authority never outlives its children."""
    moment = now or dt.datetime.now(dt.UTC)
    if not _all_good(folder, moment):
        _make_all(folder, server_owner, moment)


def _all_good(folder: Path, moment: dt.datetime) -> bool:
    try:
        authority = x509.load_pem_x509_certificate((folder / "ca.crt").read_bytes())
        for name in (*SERVERS, *CLIENTS):
            found = x509.load_pem_x509_certificate((folder / f"{name}.crt").read_bytes())
            found.verify_directly_issued_by(authority)
            if found.not_valid_after_utc - moment < RENEW_BEFORE or not (folder / f"{name}.key").exists():
                return False
    except (OSError, ValueError, TypeError, InvalidSignature):
        return False
    return (folder / "kafka.pem").exists()


def _make_all(folder: Path, server_owner: Owner, moment: dt.datetime) -> None:
    fresh = folder.with_name(f"{folder.name}.new")
    old = folder.with_name(f"{folder.name}.old")
    for leftover in (fresh, old):
        shutil.rmtree(leftover, ignore_errors=True)
    make_folder(fresh, owner=Owner(None), mode=0o755)
    authority = _authority(moment)
    write_private(fresh / "ca.crt", authority.certificate_pem(), owner=Owner(None), mode=0o644)
    for name in (*SERVERS, *CLIENTS):
        owner = server_owner if name in SERVERS else Owner(None)
        leaf = _leaf(name, authority, moment)
        write_private(fresh / f"{name}.crt", leaf.certificate_pem(), owner=Owner(None), mode=0o644)
        write_private(fresh / f"{name}.key", leaf.key_pem(), owner=owner)
        if name == "kafka":
            chain = leaf.key_pem() + leaf.certificate_pem() + authority.certificate_pem()
            write_private(fresh / "kafka.pem", chain, owner=owner)
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _builder(subject: str, issuer: str, moment: dt.datetime) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .serial_number(x509.random_serial_number())
        # a clock that is a little behind must not refuse what was made just now
        .not_valid_before(moment - dt.timedelta(minutes=5))
        .not_valid_after(moment + VALID)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _authority(moment: dt.datetime) -> _Identity:
    """Its key is forgotten as soon as the certificates are signed: nobody can add one later."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _builder(AUTHORITY, AUTHORITY, moment)
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return _Identity(certificate, key)


def _leaf(name: str, authority: _Identity, moment: dt.datetime) -> _Identity:
    key = ec.generate_private_key(ec.SECP256R1())
    hosts = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    issuer_key = authority.key.public_key()
    certificate = (
        _builder(name, AUTHORITY, moment)
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    return _Identity(certificate, key)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
