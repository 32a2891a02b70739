import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.settings import ApiSettings, WorkerSettings
from common.settings_errors import EXIT_CODE, load
from common.settings_urls import password_in, redacted
from tests.support.authority import Authority


def told(settings_class, capsys) -> str:
    with pytest.raises(SystemExit) as ended:
        load(settings_class, service="auth")
    assert ended.value.code == EXIT_CODE
    written = capsys.readouterr().err
    assert "hunter2" not in written
    assert "Traceback" not in written
    return written


class TestFaultyUrl:
    @pytest.mark.parametrize(
        ("name", "value", "says"),
        [
            ("DATABASE_URL", "mysql://u:hunter2@db/d", "must begin with postgresql://"),
            ("DATABASE_URL", "postgresql://u:hunter2@db/d?sslmode=verify-full", "needs sslrootcert="),
            (
                "DATABASE_URL",
                "postgresql://u:hunter2@db/d?channel_binding=require",
                "use sslmode=verify-full",
            ),
            ("DATABASE_URL", "postgresql://u:hunter2@a,b/d", "name the one that takes writes"),
            ("DATABASE_URL", "postgresql://u:hunter2/@db/d", "percent-encode it"),
            (
                "DATABASE_URL",
                "postgresql://u:hunter2@db/d?sslrootcert=/nowhere/ca",
                "/nowhere/ca does not exist",
            ),
            (
                "DATABASE_PROBE_URL",
                "postgresql://u:hunter2@db/d?colour=hunter2",
                "'colour' is unknown: remove",
            ),
            ("DATABASE_CERTIFICATES", "/nowhere", "DATABASE_CERTIFICATES names /nowhere, which is no folder"),
            ("REDIS_URL", "http://auth:hunter2@cache", "write rediss://user:password@host:port/0"),
            ("REDIS_URL", "rediss://auth:hunter2@cache:port", "write rediss://user:password@host:port/0"),
            ("REDIS_URL", "rediss://auth:123/hunter2@cache", "write rediss://user:password@host:port/0"),
            ("REDIS_URL", "rediss://auth:123#hunter2@cache", "write rediss://user:password@host:port/0"),
            ("DATABASE_CERTIFICATES", "/" + "x" * 300, "cannot be looked into: File name too long"),
            ("TOKEN_JWKS_URL", "auth/jwks.json", "write https://host:port"),
        ],
    )
    def test_is_told_with_what_to_do(self, whole_environment, capsys, name, value, says):
        whole_environment.setenv(name, value)

        assert says in told(ApiSettings, capsys)

    @pytest.mark.parametrize(
        ("url", "says"),
        [
            ("redis://auth:hunter2@cache:6379/0", "write rediss://, or leave it out"),
            ("rediss://auth:hunter2@cache:6379/0?ssl_cert_reqs=none", "leave one of both out"),
        ],
    )
    def test_of_redis_is_none_that_contradicts_its_authority(
        self, whole_environment, capsys, tmp_path, url, says
    ):
        whole_environment.setenv("REDIS_CA_FILE", str(Authority(tmp_path).ca_file))
        whole_environment.setenv("REDIS_URL", url)

        assert says in told(ApiSettings, capsys)

    @pytest.mark.parametrize("value", ["one", "one:9092,", "kafka://one:9092", "one:hunter2"])
    def test_of_kafka_is_told_with_what_to_do(self, whole_environment, capsys, value):
        whole_environment.setenv("KAFKA_BOOTSTRAP", value)

        assert "write host:port, several with commas" in told(WorkerSettings, capsys)

    @pytest.mark.parametrize("settings_class", [ApiSettings, WorkerSettings])
    def test_is_none_that_fits(self, whole_environment, settings_class):
        assert load(settings_class, service="auth")

    def test_is_looked_for_with_the_service_s_own_files(self, whole_environment, capsys):
        whole_environment.setenv("AUTH_PGSSLROOTCERT", "/nowhere/auth.crt")

        assert "/nowhere/auth.crt does not exist" in told(ApiSettings, capsys)


class TestPassword:
    @pytest.mark.parametrize(
        ("url", "password"),
        [
            ("postgresql://u:a%40b@db/d", "a@b"),
            ("postgresql://u@db/d?password=secret", "secret"),
            ("postgresql://u@db/d", None),
            ("postgresql://[", None),
        ],
    )
    def test_is_found_wherever_it_stands(self, url, password):
        assert password_in(url) == password


class TestShownUrl:
    @pytest.mark.parametrize(
        ("url", "shown"),
        [
            ("postgresql://u:hunter2@db:1/d?sslmode=require", "postgresql://u:***@db:1/d?sslmode=require"),
            (
                "postgresql://u@db/d?password=hunter2&host=/run/pg",
                "postgresql://u@db/d?password=***&host=/run/pg",
            ),
            (
                "postgresql://u@db/d?sslkey=/k&sslpassword=hunter2",
                "postgresql://u@db/d?sslkey=/k&sslpassword=***",
            ),
            ("rediss://:hunter2@cache:6379/0", "rediss://:***@cache:6379/0"),
            ("https://auth:8001/.well-known/jwks.json", "https://auth:8001/.well-known/jwks.json"),
        ],
    )
    def test_says_who_and_where(self, url, shown):
        assert redacted(url) == shown

    @given(
        password=st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S")), max_size=6),
        form=st.sampled_from(
            ["x://u:{}@db/d", "x://u:{}@db:1/d?a=b", "x://db/d?password={}", "x://:{}@[::1]/0", "x://u:{}@[/"]
        ),
    )
    def test_never_says_the_password(self, password, form):
        assert "hunter2" not in redacted(form.format(f"{password}hunter2{password}"))
