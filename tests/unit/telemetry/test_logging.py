import io
import json
import logging
import time
from typing import Any

import pytest
import structlog

from common.telemetry.logging import REDACTED, REQUEST_ID, configure_logging, redact_text
from common.telemetry.tracing import span

URL = "postgresql://auth:hunter2@localhost/quartet"


class Lines:
    def __init__(self, captured: pytest.CaptureFixture[str]) -> None:
        self._captured = captured

    def one(self) -> dict[str, Any]:
        (line,) = self._captured.readouterr().out.splitlines()
        return json.loads(line)


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Lines:
    return Lines(capsys)


class TestALine:
    def test_names_service_process_level_and_time(self, lines: Lines):
        structlog.get_logger().info("started", port=8000)

        line = lines.one()
        assert line["event"] == "started"
        assert line["port"] == 8000
        assert (line["service"], line["process"], line["level"]) == ("auth", "api", "info")
        assert line["timestamp"].endswith("Z")

    def test_has_the_ids_of_request_and_trace(self, lines: Lines):
        token = REQUEST_ID.set("request-1")
        with span("work") as current:
            structlog.get_logger().info("working")
        REQUEST_ID.reset(token)

        line = lines.one()
        assert line["request_id"] == "request-1"
        assert line["trace_id"] == f"{current.get_span_context().trace_id:032x}"

    @pytest.mark.parametrize("library", ["uvicorn.error", "aiokafka.consumer", "asyncpg", "anything"])
    def test_of_a_library_looks_the_same(self, lines: Lines, library: str):
        logging.getLogger(library).warning("lost %s", "something")

        line = lines.one()
        assert line["event"] == "lost something"
        assert line["logger"] == library
        assert line["service"] == "auth"

    def test_of_an_http_client_about_addresses_is_not_written(self, capsys: pytest.CaptureFixture[str]):
        logging.getLogger("httpx").info("HTTP Request: GET https://x/verify-email?token=s3cret")

        assert capsys.readouterr().out == ""

    def test_below_the_level_is_not_written(self, capsys: pytest.CaptureFixture[str]):
        configure_logging(service="auth", process="api", level="warning")

        structlog.get_logger().info("too quiet")

        assert capsys.readouterr().out == ""

    def test_of_a_logger_that_wrote_before_follows_what_was_configured_since(self, lines: Lines):
        early = structlog.get_logger()
        early.info("first")
        lines.one()

        configure_logging(service="profile", process="worker")
        early.info("second")

        assert lines.one()["service"] == "profile"

    def test_of_an_error_holds_its_trace_in_one_line(self, lines: Lines):
        try:
            fail(ValueError("broken"))
        except ValueError:
            structlog.get_logger().exception("failed")

        assert "ValueError: broken" in lines.one()["exception"]


class TestRedaction:
    @pytest.mark.parametrize(
        "key",
        [
            "password",
            "new_password",
            "access_token",
            "Authorization",
            "client_secret",
            "set_cookie",
            "DATABASE_URL",
            "private_jwk",
            "totp_seed",
        ],
    )
    def test_hides_values_of_secret_looking_keys(self, lines: Lines, key: str):
        structlog.get_logger().info("asked", **{key: "hunter2"}, nested=[{key: {"deep": "hunter2"}}])

        line = lines.one()
        assert line[key] == REDACTED
        assert "hunter2" not in json.dumps(line)

    @pytest.mark.parametrize(
        "text",
        [
            "cannot reach postgresql://auth_api:hunter2@db:5432/quartet",
            "cannot reach redis://:hunter2@cache:6379/0",
            "cannot reach postgresql://u:a/hunter2@db/quartet",
            "cannot reach postgresql://u:a@hunter2@db/quartet",
            "conninfo was host=db password=hunter2 sslmode=require",
            "GET /callback?x=1&access_token=hunter2&y=2",
            "n: no number [type=int_parsing, input_value='a, hunter2', input_type=str]",
            "header was Bearer hunter2hunter2",
            "header was authorization: basic aHVudGVyMjpodW50ZXIy hunter",
        ],
    )
    def test_hides_secrets_inside_of_text(self, text: str):
        shown = redact_text(text)

        assert "hunter2" not in shown
        assert "aHVudGVyMjpodW50ZXIy" not in shown
        assert REDACTED in shown

    def test_hides_json_web_tokens(self):
        assert redact_text("got eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln here") == f"got {REDACTED} here"

    def test_hides_what_an_exception_says(self, lines: Lines):
        try:
            fail(OSError("no route to postgresql://auth_api:hunter2@db/quartet"))
        except OSError:
            structlog.get_logger().exception("failed")

        assert "hunter2" not in json.dumps(lines.one())

    @pytest.mark.parametrize(
        "value", [ValueError(URL), [ValueError(URL)], {"cause": ValueError(URL)}, URL.encode()]
    )
    def test_hides_what_a_value_that_is_no_text_turns_into(self, lines: Lines, value: object):
        structlog.get_logger().warning("refused", value=value)

        line = lines.one()
        assert "hunter2" not in str(line)
        assert REDACTED in str(line["value"])

    def test_hides_what_a_library_says(self, lines: Lines):
        logging.getLogger("asyncpg").error("dsn postgresql://auth_api:hunter2@db/quartet")

        assert "hunter2" not in json.dumps(lines.one())

    @pytest.mark.parametrize(
        "text",
        ["a." * 20_000 + "s=://", "a://b:" * 4_000, "input_value=" * 4_000, "bearer" + " " * 40_000],
        ids=["words", "urls", "values", "blanks"],
    )
    def test_takes_no_longer_than_a_line_is_long(self, text: str):
        began = time.process_time()

        assert redact_text(text) == text

        assert time.process_time() - began < 1

    def test_leaves_the_rest_alone(self, lines: Lines):
        structlog.get_logger().info("sent", topic="auth.user.v1", count=3, to={"path": "/a/b"})

        line = lines.one()
        assert (line["topic"], line["count"], line["to"]) == ("auth.user.v1", 3, {"path": "/a/b"})

    def test_ends_at_objects_that_hold_themselves(self, lines: Lines):
        loop: dict[str, Any] = {}
        loop["again"] = loop

        structlog.get_logger().info("round", value=loop)

        assert "too deep" in json.dumps(lines.one())


class TestStdout:
    def test_is_the_one_of_the_moment(self, monkeypatch: pytest.MonkeyPatch):
        log = structlog.get_logger("kept")
        log.info("first")
        later = io.StringIO()
        monkeypatch.setattr("sys.stdout", later)

        log.info("second")

        assert json.loads(later.getvalue())["event"] == "second"


def fail(error: Exception) -> None:
    raise error
