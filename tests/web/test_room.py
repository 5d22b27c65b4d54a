"""Room for frames: what a request calls costs the same at any depth."""

import resource
from collections.abc import Callable
from typing import Final

import pytest
from django.conf import settings

from config.web.room import RoomMiddleware, with_room

_CALLS: Final = 500
_DEEPEST: Final = 300


def _twice(number: int) -> int:
    return number * 2


def _faults_of_a_loop() -> int:
    """Pages that the system had to bring while a small function was called so often."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for number in range(_CALLS):
        _twice(number)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def _at(depth: int) -> int:
    return _at(depth - 1) if depth else _faults_of_a_loop()


def _worst(at: Callable[[int], int]) -> int:
    return max(at(depth) for depth in range(_DEEPEST))


def test_no_depth_is_dearer_than_another() -> None:
    """The control runs into the edge of a chunk somewhere; with room nothing does."""
    if _worst(_at) < _CALLS:
        pytest.skip("this Python keeps what a chunk of frames leaves")
    assert _worst(with_room(_at)) < _CALLS / 10


def test_what_is_called_is_answered_and_raised() -> None:
    """Arguments, results, exceptions and the name are those of the function."""

    def divide(number: int, *, by: int = 1) -> float:
        return number / by

    assert with_room(divide)(6, by=3) == 2
    assert with_room(divide).__name__ == "divide"
    with pytest.raises(ZeroDivisionError):
        with_room(divide)(6, by=0)


def test_every_request_has_room() -> None:
    """The middleware that gives it stands before all the others."""
    assert settings.MIDDLEWARE[0] == f"{RoomMiddleware.__module__}.{RoomMiddleware.__qualname__}"
