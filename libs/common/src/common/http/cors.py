"""Which pages may call: listed origins with credentials, or with `*` any page without them."""

from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response


class _Cors(CORSMiddleware):
    def preflight_response(self, request_headers: Headers) -> Response:
        """No text and no error: what the answer does not allow, the browser refuses."""
        answer = super().preflight_response(request_headers)
        headers = {name: value for name, value in answer.headers.items() if not name.startswith("content-")}
        return Response(status_code=204, headers=headers)


def cors(origins: Sequence[str]) -> list[Middleware]:
    if not origins:
        return []
    return [
        Middleware(
            _Cors,
            allow_origins=list(origins),
            allow_credentials="*" not in origins,
            allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=[
                *("Authorization", "Content-Type", "Idempotency-Key", "X-CSRF-Token", "X-Quartet-Device"),
                *("X-Request-Id", "If-Match", "If-None-Match", "Last-Event-ID"),
            ],
            expose_headers=[
                *("Deprecation", "ETag", "Idempotency-Replayed", "Location", "RateLimit", "RateLimit-Policy"),
                *("Retry-After", "Sunset", "WWW-Authenticate", "X-Quartet-Device", "X-Request-Id"),
            ],
        )
    ]
