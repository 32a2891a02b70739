"""A collector of traces, as OTLP over HTTP knows one, that keeps what it is sent."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from starlette.types import Receive, Scope, Send

from tests.support.listening import served


@dataclass(frozen=True)
class Received:
    process: str
    """`auth-api` for example."""
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, str]
    words: str
    """Everything that it says, for searches."""


@dataclass
class Collector:
    url: str = ""
    spans: list[Received] = field(default_factory=list[Received])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        self.spans += _read(body)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    def of_trace(self, trace_id: str) -> dict[str, Received]:
        """By process and name."""
        return {f"{span.process}: {span.name}": span for span in self.spans if span.trace_id == trace_id}


@asynccontextmanager
async def collector() -> AsyncGenerator[Collector]:
    collecting = Collector()
    async with served(collecting) as serving:
        collecting.url = f"http://127.0.0.1:{serving.port('public')}"
        yield collecting


def _read(body: bytes) -> list[Received]:
    found: list[Received] = []
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        named = {one.key: one.value.string_value for one in resource.resource.attributes}
        for scope in resource.scope_spans:
            found += [
                Received(
                    process=named["service.name"],
                    name=span.name,
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_id=span.parent_span_id.hex(),
                    attributes={one.key: one.value.string_value for one in span.attributes},
                    words=str(span),
                )
                for span in scope.spans
            ]
    return found
