import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from common.certificates import CertificateFileError, check_certificate, check_key, watch_files
from tests.support.authority import Authority

NOW = datetime.now(UTC)


def ends_at(setting: str, file) -> float | None:
    labels = {"setting": setting, "file": str(file)}
    return REGISTRY.get_sample_value("quartet_certificate_ends_timestamp_seconds", labels)


class TestCertificate:
    def test_has_its_end_in_the_metrics(self, tmp_path):
        certificate, _ = Authority(tmp_path).issue("auth", days=100)

        watch_files({"INTERNAL_CERTIFICATE_FILE": certificate}, NOW)

        # the file is younger than NOW, by all that ran between
        ends = (NOW + timedelta(days=100)).timestamp()
        assert ends - 60 < ends_at("INTERNAL_CERTIFICATE_FILE", certificate) < ends + 86_400

    @pytest.mark.parametrize(("days", "warned"), [(13.9, True), (14.1, False)])
    def test_is_warned_of_under_fourteen_days(self, tmp_path, days, warned):
        certificate, _ = Authority(tmp_path, days=100).issue("auth", days=days)

        with capture_logs() as logs:
            watch_files({"DATABASE_URL sslcert": certificate}, NOW)

        assert [(line["event"], line["file"], line["days_left"]) for line in logs] == [
            ("certificates.end_soon", str(certificate), 13)
        ] * warned

    def test_of_an_authority_is_watched_too(self, tmp_path):
        ca_file = Authority(tmp_path, days=3).ca_file

        with capture_logs() as logs:
            watch_files({"REDIS_CA_FILE": ca_file}, NOW)

        assert [(line["log_level"], line["setting"]) for line in logs] == [("warning", "REDIS_CA_FILE")]

    def test_list_of_revoked_ones_is_watched_too(self, tmp_path):
        revocations = Authority(tmp_path).revocation_list(days=2.5)

        with capture_logs() as logs:
            watch_files({"DATABASE_URL sslcrl": revocations}, NOW)

        assert [line["days_left"] for line in logs] == [2]

    def test_that_has_ended_is_an_error_in_the_log(self, tmp_path):
        certificate, _ = Authority(tmp_path).issue("auth", days=-1)

        with capture_logs() as logs:
            watch_files({"KAFKA_CERTIFICATE_FILE": certificate}, NOW)

        assert [line["log_level"] for line in logs] == ["error"]
        assert f"{certificate} ended on" in logs[0]["fault"]

    def test_that_has_not_begun_is_refused_with_what_may_be_the_cause(self, tmp_path):
        certificate, _ = Authority(tmp_path).issue("auth")

        with pytest.raises(CertificateFileError, match=r"is valid from .* on: look at the clock"):
            check_certificate(certificate, NOW - timedelta(days=3))

    def test_key_is_not_read(self, tmp_path):
        with capture_logs() as logs:
            watch_files({"INTERNAL_KEY_FILE": tmp_path / "nowhere"}, NOW)

        assert logs == []


@pytest.fixture
def key_of(tmp_path, monkeypatch):
    """A key with this owner and these rights, whoever runs the tests."""

    def make(owner: int, rights: int) -> Path:
        _, key = Authority(tmp_path).issue("auth")
        key.chmod(rights)
        mode, inode, device, links, _, *rest = key.stat()[:10]
        shown = os.stat_result((mode, inode, device, links, owner, *rest))
        monkeypatch.setattr(Path, "stat", lambda *_, **__: shown)
        return key

    return make


class TestKey:
    @pytest.mark.parametrize(("owner", "rights"), [(0, 0o640), (0, 0o600), (1000, 0o600), (1000, 0o400)])
    def test_may_be_read_by_its_owner_and_one_of_root_s_by_its_group(self, key_of, owner, rights):
        check_key(key_of(owner, rights))

    @pytest.mark.parametrize(
        ("owner", "rights", "told"), [(0, 0o644, "640"), (0, 0o660, "640"), (1000, 0o640, "600")]
    )
    def test_that_others_may_read_is_refused_with_what_it_may_be(self, key_of, owner, rights, told):
        with pytest.raises(CertificateFileError, match=f"chmod {told} it"):
            check_key(key_of(owner, rights))
