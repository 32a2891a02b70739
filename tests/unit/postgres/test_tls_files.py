from pathlib import Path

import pytest

from common.postgres.tls_files import FOLDER_NAMES, TlsFiles
from common.postgres.url import Surroundings, parse_url
from common.postgres.url_errors import DatabaseUrlError


def write(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_text("")
    return folder


class TestPlaces:
    """From the first to the last; whatever a place lacks may come from a later one."""

    def test_begin_with_the_url(self):
        assert TlsFiles.found({"sslrootcert": "/a"}, {"PGSSLROOTCERT": "/b"}).root == "/a"

    def test_go_on_with_the_service_s_own_variable(self):
        environment = {"AUTH_PGSSLROOTCERT": "/a", "PGSSLROOTCERT": "/b"}

        assert TlsFiles.found({}, environment, service="auth").root == "/a"

    def test_go_on_with_libpq_s_variable(self, tmp_path):
        folder = write(tmp_path, "ca.crt")

        assert TlsFiles.found({}, {"PGSSLROOTCERT": "/b"}, folder=folder, service="chat").root == "/b"

    def test_go_on_with_the_folder_of_certificates(self, tmp_path):
        folder = write(tmp_path / "mounted", "ca.crt")
        write(tmp_path / ".postgresql", "root.crt")

        found = TlsFiles.found({}, {"HOME": str(tmp_path)}, folder=folder)

        assert found.root == str(folder / "ca.crt")

    def test_end_with_libpq_s_folder(self, tmp_path):
        home = write(tmp_path / ".postgresql", "root.crt", "postgresql.crt", "postgresql.key", "root.crl")

        found = TlsFiles.found({}, {"HOME": str(tmp_path)})

        assert found == TlsFiles(
            *(str(home / name) for name in ("root.crt", "postgresql.crt", "postgresql.key", "root.crl"))
        )

    def test_leave_out_a_home_that_is_another_s(self, tmp_path):
        assert TlsFiles.found({}, {"HOME": str(tmp_path / ("x" * 300))}) == TlsFiles()

    def test_may_have_nothing(self):
        assert TlsFiles.found({}, {}) == TlsFiles()


class TestFolder:
    @pytest.mark.parametrize("pattern", range(4))
    def test_is_read_by_any_of_the_usual_names(self, tmp_path, pattern):
        names = [names[pattern] for names in FOLDER_NAMES.values()]

        found = TlsFiles.found({}, {}, folder=write(tmp_path, *names))

        assert found == TlsFiles(*(str(tmp_path / name) for name in names))

    @pytest.mark.parametrize("names", FOLDER_NAMES.values(), ids=FOLDER_NAMES)
    def test_gives_the_first_of_the_names_that_are_there(self, tmp_path, names):
        parameter = next(parameter for parameter, known in FOLDER_NAMES.items() if known == names)

        for first in range(len(names)):
            folder = write(tmp_path / str(first), *names[first:])
            assert TlsFiles.found({}, {}, folder=folder).named()[parameter] == str(folder / names[first])

    def test_gives_the_service_s_own_files_before_the_shared_ones(self, tmp_path):
        folder = write(tmp_path, "ca.crt", "auth-root.crt", "profile-tls.crt")

        found = TlsFiles.found({}, {}, folder=folder, service="auth")

        assert found == TlsFiles(root=str(folder / "auth-root.crt"))

    @pytest.mark.parametrize(
        ("folder", "says"),
        [("/nowhere", "names /nowhere, which is no folder"), ("empty", "holds no file of a known name")],
    )
    def test_that_is_of_no_use_is_refused(self, tmp_path, folder, says):
        write(tmp_path / "empty")

        with pytest.raises(DatabaseUrlError, match=f"DATABASE_CERTIFICATES .*{says}"):
            TlsFiles.found({}, {}, folder=tmp_path / folder)


class TestEnvironment:
    """libpq's variables of TLS count where the URL says nothing, as they do for psql."""

    def test_says_the_mode(self):
        around = Surroundings(environment={"PGSSLMODE": "disable"})

        assert parse_url("postgresql://u@db/d", around).mode == "disable"
        assert parse_url("postgresql://u@db/d?sslmode=require", around).mode == "require"

    def test_says_the_service_s_mode_first(self):
        around = Surroundings("auth", environment={"PGSSLMODE": "disable", "AUTH_PGSSLMODE": "require"})

        assert parse_url("postgresql://u@db/d", around).mode == "require"

    def test_says_versions_and_negotiation(self):
        around = Surroundings(
            environment={"PGSSLMINPROTOCOLVERSION": "TLSv1.3", "PGSSLNEGOTIATION": "direct"}
        )

        found = parse_url("postgresql://u@db/d?sslmode=require", around)

        assert (found.ssl.minimum_version.name, found.direct_tls) == ("TLSv1_3", True)
