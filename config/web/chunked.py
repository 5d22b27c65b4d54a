"""Bodies that come in chunks: Django reads as much as Content-Length says, so each gets one before Django sees it."""

from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any, Final

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

_PART: Final = 64 * 1024


class ChunkedBodies:
    """A WSGI application before another one that knows lengths only.

    Args:
        application: the other one.
        limit: bytes of a body that are held; a longer one gets a length beyond the limit, for the other to refuse.
    """

    def __init__(self, application: Application, *, limit: int) -> None:
        self._application = application
        self._limit = limit

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Read a chunked body and pass the request on."""
        if "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower() and environ.get("wsgi.input_terminated"):
            body = self._read(environ["wsgi.input"])
            environ = {**environ, "wsgi.input": BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        return self._application(environ, start_response)

    def _read(self, stream: Any) -> bytes:
        body = bytearray()
        try:
            while len(body) <= self._limit and (part := stream.read(_PART)):
                body += part
        except OSError:
            # It broke off, or its chunks are none: nothing of it can be trusted.
            return b""
        return bytes(body)
