"""Bodies without a length, on their way to Django."""

from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any

import pytest

from config.web.chunked import ChunkedBodies

LIMIT = 100_000


def seen(body: Any, **environ: Any) -> tuple[bytes, str | None]:
    """What the application behind sees: the body and its length."""
    found: dict[str, Any] = {}

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        found.update(environ)
        return [b""]

    given = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True, "wsgi.input": body, **environ}
    ChunkedBodies(application, limit=LIMIT)(given, lambda *_: None)
    return found["wsgi.input"].read(), found.get("CONTENT_LENGTH")


class Broken(BytesIO):
    """A stream whose second part is no chunk."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Give the first part, then fail."""
        if self.tell():
            raise OSError("Invalid chunk")
        return super().read(5)


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, LIMIT])
def test_a_body_in_chunks_arrives_whole(size: int) -> None:
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    assert seen(BytesIO(body)) == (body, str(size))


def test_one_that_is_too_long_is_told_to_be_and_not_read_to_the_end() -> None:
    stream = BytesIO(b"x" * 10 * LIMIT)
    body, length = seen(stream)
    assert int(length or 0) > LIMIT
    assert len(body) == int(length or 0)
    assert stream.tell() < 2 * LIMIT + 65_536


def test_one_that_breaks_off_is_none() -> None:
    assert seen(Broken(b"0123456789")) == (b"", "0")


def test_others_are_left_alone() -> None:
    assert seen(BytesIO(b"abc"), HTTP_TRANSFER_ENCODING="", CONTENT_LENGTH="3") == (b"abc", "3")
    assert seen(BytesIO(b"abc"), **{"wsgi.input_terminated": False}) == (b"abc", None)
