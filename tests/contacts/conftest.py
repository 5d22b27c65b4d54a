"""What tests of the contacts have in common."""

from collections.abc import Iterator

import pytest

from contacts.services.wake import broker


@pytest.fixture
def forgotten_shares() -> Iterator[None]:
    """The broker remembers a used-up share longer than a test, and a source of a later one may bear the same number."""
    yield
    for name in broker().scan_iter("ripen:share:*"):
        broker().delete(name)
