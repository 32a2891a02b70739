import re

import pytest

from quartet_cli.stack import Stack
from quartet_cli.stack.nginx import configuration, documentation
from quartet_cli.stack.routes import REFUSALS, locations_text, problems_text


def proxied() -> dict[str, str]:
    """Location → where it goes."""
    found = re.findall(r"location ([^{]+) \{\n    proxy_pass http://([^;]+);", locations_text())
    return dict(found)


class TestLocations:
    def test_are_these_and_no_others(self):
        services = ("auth", "profile", "calendar", "chat")
        assert proxied() == {
            **{f"/api/v1/{name}/": name for name in services},
            "/.well-known/": "auth",
            "/oauth/": "auth",
            "~ ^/api/v1/calendar/calendars/[^/]+/sync/stream$": "calendar",
            "~ ^/api/v1/chat/sessions/[^/]+/replies/[^/]+/stream$": "chat",
            "~ ^/api/v1/chat/feed$": "chat",
        }

    def test_lead_to_public_ports_only(self, stack: Stack):
        servers = set(re.findall(r"server 127\.0\.0\.1:(\d+)", configuration(stack)))

        assert servers == {
            str(stack.ports[f"{name}-api"]) for name in ("auth", "profile", "calendar", "chat")
        }

    def test_never_send_a_request_again(self, stack: Stack):
        assert "proxy_next_upstream off;" in configuration(stack)


class TestRefusals:
    @pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: str(refusal.status))
    def test_are_problem_documents_with_the_requests_id(self, refusal):
        text = problems_text()

        assert f"={refusal.status} /-/problem/{refusal.status};" in text
        assert f'"status": {refusal.status}, "code": "{refusal.code}"' in text
        assert text.count('"request_id": "$quartet_request_id"') == len(REFUSALS)

    def test_say_when_to_come_back_if_that_helps(self):
        waiting = {refusal.status for refusal in REFUSALS if refusal.retry_after_seconds}

        assert waiting == {429, 503, 504}

    def test_answer_each_cause_once(self):
        causes = [cause for refusal in REFUSALS for cause in refusal.causes]

        assert len(set(causes)) == len(causes)


class TestDocumentation:
    def test_loads_nothing_from_another_host(self, stack: Stack):
        assert not any(
            "//" in re.sub(r"^\s*//.*$", "", page, flags=re.MULTILINE)
            for page in documentation(stack).values()
        )
