"""The older health paths, on the api's own port: /health, /health/database, /health/detailed."""

from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from common.errors import Kind, unavailable
from common.health.checks import Checks, Report
from common.health.probes import described, status_word
from common.http.documented import raises

Status = Literal["ok", "degraded", "failing"]


@dataclass(frozen=True)
class HealthView:
    """`app.state.health`, set by the composition root."""

    service: str
    version: str
    ready: Checks


async def _view(request: Request) -> HealthView:
    return request.app.state.health


UseHealth = Annotated[HealthView, Depends(_view)]


class HealthAnswer(BaseModel):
    status: Status = Field(description="`degraded` serves: something that it can do without is away.")
    service: str = Field(description="Which service answers.", examples=["auth"])
    version: str = Field(description="Of its release.", examples=["0.1.0"])


class DatabaseHealthAnswer(BaseModel):
    status: Literal["ok"] = Field(default="ok", description="A database that is away is a problem, 503.")
    latency_ms: float = Field(
        description="Time of the last query through the readiness alias.", examples=[0.8]
    )


class CheckAnswer(BaseModel):
    name: str = Field(description="What was looked at.", examples=["database"])
    status: Literal["ok", "failing"] = Field(description="What was found.")
    severity: Literal["critical", "degrading"] = Field(
        description="A critical one that fails makes the service unready."
    )
    detail: str = Field(description="A few words for people.", examples=["answers"])
    milliseconds: float = Field(description="How long it took to ask.", examples=[0.8])
    data: dict[str, int | float | str | None] = Field(
        description="The figures behind it: the pool's connections, the worker's lag, the schema's head.",
        examples=[{"connections": 4}],
    )


class DetailedHealthAnswer(HealthAnswer):
    checks: list[CheckAnswer] = Field(description="One for each thing that the service needs.")


def health_router() -> APIRouter:
    """No token is asked for, so nothing here names hosts, processes or users."""
    router = APIRouter(prefix="/health", tags=["health"])

    @router.get("", summary="Whether the service is ready", responses={503: {"model": HealthAnswer}})
    async def get_health(health: UseHealth, response: Response) -> HealthAnswer:
        report = await health.ready.report()
        _say(response, report)
        return HealthAnswer(
            status=_status(status_word(report)), service=health.service, version=health.version
        )

    @router.get("/database", summary="Whether the database answers, and how fast")
    @raises(Kind.UNAVAILABLE, "database.unavailable")
    async def get_database_health(health: UseHealth) -> DatabaseHealthAnswer:
        # The readiness check's own answer: asking here, however often, does not ask the database more often.
        result = await health.ready.one("database")
        if result is None or not result.healthy:
            raise unavailable("database.unavailable", "The database does not answer.")
        return DatabaseHealthAnswer(latency_ms=round(result.seconds * 1000, 2))

    @router.get(
        "/detailed",
        summary="Every check: pool, schema, Redis, Kafka's lag",
        responses={503: {"model": DetailedHealthAnswer}},
    )
    async def get_detailed_health(health: UseHealth, response: Response) -> DetailedHealthAnswer:
        report = await health.ready.report()
        _say(response, report)
        return DetailedHealthAnswer(
            status=_status(status_word(report)),
            service=health.service,
            version=health.version,
            checks=[CheckAnswer.model_validate(described(result)) for result in report.results],
        )

    return router


def _say(response: Response, report: Report) -> None:
    if not report.ok:
        response.status_code = 503
        response.headers["Retry-After"] = "2"


def _status(word: str) -> Status:
    return "ok" if word == "ok" else "degraded" if word == "degraded" else "failing"
