import datetime as dt
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from quartet_cli.stack.certificates import CLIENTS, SERVERS, ensure_certificates
from quartet_cli.stack.files import Owner

NOW = dt.datetime(2026, 11, 22, 10, tzinfo=dt.UTC)
ME = Owner(None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "certs"
    ensure_certificates(made, server_owner=ME, now=NOW)
    return made


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class TestCertificates:
    def test_name_who_holds_them_and_where_servers_are_found(self, folder: Path):
        certificate = x509.load_pem_x509_certificate((folder / "calendar.crt").read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value

        assert certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "calendar"
        assert names.get_values_for_type(x509.DNSName) == ["localhost"]
        assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]

    def test_come_from_one_authority_whose_key_is_not_kept(self, folder: Path):
        authority = x509.load_pem_x509_certificate((folder / "ca.crt").read_bytes())

        for name in (*SERVERS, *CLIENTS):
            found = x509.load_pem_x509_certificate((folder / f"{name}.crt").read_bytes())
            found.verify_directly_issued_by(authority)
        assert not (folder / "ca.key").exists()

    def test_keep_their_keys_private(self, folder: Path):
        private = [*folder.glob("*.key"), folder / "kafka.pem"]

        assert {path.stat().st_mode & 0o777 for path in private} == {0o600}
        assert len(private) == len(SERVERS) + len(CLIENTS) + 1

    def test_stay_while_they_are_good(self, folder: Path):
        before = contents(folder)

        ensure_certificates(folder, server_owner=ME, now=NOW + dt.timedelta(days=700))

        assert contents(folder) == before

    def test_are_all_renewed_before_the_first_expires(self, folder: Path):
        before = contents(folder)

        ensure_certificates(folder, server_owner=ME, now=NOW + dt.timedelta(days=800))

        assert not set(before.values()) & set(contents(folder).values())

    @pytest.mark.parametrize("name", ["ca.crt", "chat.key", "redis.crt", "kafka.pem"])
    def test_are_all_made_again_when_one_is_lost(self, folder: Path, name):
        before = contents(folder)
        (folder / name).unlink()

        ensure_certificates(folder, server_owner=ME, now=NOW)

        assert contents(folder).keys() == before.keys()
        assert not set(before.values()) & set(contents(folder).values())

    def test_of_another_authority_are_made_again(self, folder: Path, tmp_path: Path):
        other = tmp_path / "other"
        ensure_certificates(other, server_owner=ME, now=NOW)
        (folder / "auth.crt").write_bytes((other / "auth.crt").read_bytes())
        before = contents(folder)

        ensure_certificates(folder, server_owner=ME, now=NOW)

        assert contents(folder)["ca.crt"] != before["ca.crt"]
