"""A certificate authority made on the spot, for tests of TLS that need no stack."""

import ipaddress
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from common.settings import InternalSettings

HERE = ("localhost", "127.0.0.1")


class Authority:
    def __init__(self, folder: Path, *, name: str = "test authority", days: float = 1) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._certificate = self._sign(self._name, self._key.public_key(), authority=True, days=days)
        self.ca_file = folder / f"{name.replace(' ', '-')}.crt"
        self.ca_file.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def issue(
        self,
        *common_names: str,
        hosts: Sequence[str] = HERE,
        days: float = 1,
        password: bytes | None = None,
        stem: str | None = None,
        key: rsa.RSAPrivateKey | None = None,
    ) -> tuple[Path, Path]:
        """Certificate and key; with `days` below zero it has ended."""
        own_key = key or ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name) for name in common_names])
        certificate = self._sign(subject, own_key.public_key(), hosts=hosts, days=days)
        stem = stem or f"{self.ca_file.stem}-{'-'.join(common_names)}"
        certificate_file, key_file = self._folder / f"{stem}.crt", self._folder / f"{stem}.key"
        certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        key_file.write_bytes(
            own_key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption(),
            )
        )
        key_file.chmod(0o600)
        return certificate_file, key_file

    def revocation_list(self, *revoked: Path, days: float = 1) -> Path:
        """Names the certificates in these files; with `days` below zero the next list is overdue."""
        now = datetime.now(UTC)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._name)
            .last_update(now - timedelta(days=2))
            .next_update(now + timedelta(days=days))
        )
        for file in revoked:
            serial = x509.load_pem_x509_certificate(file.read_bytes()).serial_number
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now)
            builder = builder.add_revoked_certificate(entry.build())
        crl_file = self._folder / f"{self.ca_file.stem}.crl"
        signed = builder.sign(self._key, hashes.SHA256())
        crl_file.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        return crl_file

    def settings(self, common_name: str) -> InternalSettings:
        certificate_file, key_file = self.issue(common_name)
        return InternalSettings(
            port=1, ca_file=self.ca_file, certificate_file=certificate_file, key_file=key_file
        )

    def client(self, *common_names: str, trusting: "Authority | None" = None) -> ssl.SSLContext:
        """Shows a certificate of this authority when names are given."""
        context = ssl.create_default_context(cafile=str((trusting or self).ca_file))
        if common_names:
            context.load_cert_chain(*self.issue(*common_names))
        return context

    def _sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
        *,
        authority: bool = False,
        hosts: Sequence[str] = HERE,
        days: float = 1,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=2))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False
            )
            .sign(self._key, hashes.SHA256())
        )


@dataclass(frozen=True)
class Authorities:
    """The one that everybody here trusts, with one certificate revoked, and one that nobody does."""

    folder: Path
    trusted: Authority
    other: Authority
    revoked: tuple[Path, Path]
    revocations: Path

    def issue(self, name: str, **options) -> tuple[Path, Path]:
        return self.trusted.issue(name, **options)


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
