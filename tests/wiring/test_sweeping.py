"""What a request leaves behind in cycles is gone when it has been answered."""

import gc
from collections.abc import Iterator
from weakref import ref

import pytest
from django.test import Client

from config.gunicorn_conf import sweep
from contacts.enums import Role
from tests.factories import make_user


class Loop:
    """Refers to itself, as contexts of templates do."""

    def __init__(self) -> None:
        self.me = self


@pytest.fixture(autouse=True)
def by_itself() -> Iterator[None]:
    """No sweep but those of the test."""
    gc.disable()
    yield
    gc.enable()


def test_what_an_answered_request_left_is_gone() -> None:
    left = ref(Loop())
    assert left() is not None
    sweep()
    assert left() is None


def test_what_another_thread_still_needed_is_gone_later() -> None:
    needed = Loop()
    left = ref(needed)
    for _ in range(40):
        sweep()
    del needed
    assert left() is not None
    for _ in range(1_500):
        sweep()
    assert left() is None


@pytest.mark.django_db
def test_nothing_piles_up_page_after_page() -> None:
    """The control piles up hundreds of objects with each of them."""
    client = Client()
    client.force_login(make_user(Role.REP))

    def piled(*, swept: bool) -> int:
        client.get("/contacts/")
        gc.collect()
        for _ in range(5):
            client.get("/contacts/")
            if swept:
                sweep()
        return gc.collect()

    assert piled(swept=False) > 500
    assert piled(swept=True) < 50
