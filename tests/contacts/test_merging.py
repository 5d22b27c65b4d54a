"""Two contacts become one, and part again."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contacts.models import Contact, Event, Merge
from contacts.services.merging import merge_contacts
from contacts.services.parting import undo_merge
from tests.factories import make_contact, make_event, record

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def test_smoke() -> None:
    a = make_contact({"kind": "demo_requested"}, first_name="Ann")
    b = make_contact({"kind": "page_viewed"}, last_name="Bee")
    merge = merge_contacts(winner_id=a.pk, loser_id=b.pk, by=None, source=None, reason="", now=NOW)
    a.refresh_from_db()
    assert (a.first_name, a.last_name) == ("Ann", "Bee")
    assert Event.objects.filter(contact=a).count() == 2
    undo_merge(merge_id=merge.pk, by=None, now=NOW)
    a.refresh_from_db()
    assert (a.first_name, a.last_name) == ("Ann", "")
