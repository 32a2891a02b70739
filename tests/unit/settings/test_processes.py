import sys

import pytest
from prometheus_client import REGISTRY

from common.composition.api import run_api
from common.composition.certificates import watch_certificates
from common.composition.worker import run_worker
from common.postgres.migrations import main
from common.settings import ApiSettings, WorkerSettings
from profile_service import migrate
from profile_service.app import API
from profile_service.storage.tables import SCHEMA
from profile_service.worker import WORKER

STARTS = {
    "api": lambda: run_api(API, ApiSettings),
    "worker": lambda: run_worker(WORKER, WorkerSettings),
}


class TestPrintConfig:
    @pytest.mark.parametrize("process", STARTS)
    def test_of_a_process_prints_and_starts_nothing(self, whole_environment, capsys, process):
        whole_environment.setattr(sys, "argv", ["app.py", "--print-config"])

        with pytest.raises(SystemExit) as ended:
            STARTS[process]()

        printed = capsys.readouterr().out
        assert ended.value.code == 0
        assert "DATABASE_URL=postgresql://auth_api:***@db/quartet\n" in printed
        assert "hunter2" not in printed

    def test_of_a_migration_prints_and_changes_nothing(self, whole_environment, capsys):
        main(SCHEMA, migrate.__file__, ["--print-config"])

        printed = capsys.readouterr().out
        assert printed.startswith("ENVIRONMENT=test\n")
        assert "hunter2" not in printed


class TestCertificates:
    def test_of_a_process_are_all_in_its_metrics(self, whole_environment, tmp_path):
        whole_environment.setenv("PROFILE_PGSSLROOTCERT", str(tmp_path / "test-authority.crt"))

        watch_certificates(WorkerSettings(), service="profile")

        names = {
            sample.labels["setting"]
            for family in REGISTRY.collect()
            for sample in family.samples
            if sample.name == "quartet_certificate_ends_timestamp_seconds"
            and sample.labels["file"].startswith(str(tmp_path))
        }
        assert names == {
            "INTERNAL_CA_FILE",
            "INTERNAL_CERTIFICATE_FILE",
            "KAFKA_CA_FILE",
            "KAFKA_CERTIFICATE_FILE",
            "DATABASE_URL sslrootcert",
        }
