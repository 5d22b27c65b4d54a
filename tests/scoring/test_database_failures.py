"""A database that is too slow or full for a while is no contact's failure: everybody waits, nobody is quarantined."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from contacts.models import Due, Standing
from scoring.services.evaluate import MAX_ATTEMPTS, drain_due
from tests.factories import make_contact

pytestmark = pytest.mark.django_db


def fail(code: str, *, only: int = 0) -> None:
    """From now on writing a standing (of one contact only) fails with this error code of PostgreSQL."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE OR REPLACE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN RAISE EXCEPTION 'as if' USING ERRCODE = '{code}'; END $$"
        )
        chosen = f"WHEN (NEW.contact_id = {only})" if only else ""
        cursor.execute(
            "CREATE OR REPLACE TRIGGER slow BEFORE INSERT OR UPDATE ON contacts_standing"
            f" FOR EACH ROW {chosen} EXECUTE FUNCTION slow()"
        )


def mend() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER slow ON contacts_standing")


def drain(times: int = 1) -> None:
    for _ in range(times):
        drain_due(now=datetime.now(UTC))


# A statement that took too long, a disk that is full.
@pytest.mark.parametrize("code", ["57014", "53100"])
@pytest.mark.parametrize("everybody", [True, False])
def test_nobody_is_quarantined_for_it(code: str, everybody: bool) -> None:
    contacts = [make_contact() for _ in range(5)]
    fail(code, only=0 if everybody else contacts[0].pk)
    drain(times=MAX_ATTEMPTS + 2)
    assert not Due.objects.exclude(quarantined_at=None).exists()
    assert Standing.objects.count() == (0 if everybody else 4)
    mend()
    drain()
    assert Standing.objects.count() == 5
    assert not Due.objects.exists()


def test_who_alone_fails_for_long_is_in_sight_in_the_end() -> None:
    one, _ = make_contact(), make_contact()
    fail("57014", only=one.pk)
    drain()
    Due.objects.filter(contact=one).update(attempts=MAX_ATTEMPTS, queued_at=datetime.now(UTC) - timedelta(minutes=11))
    # Somebody else is judged meanwhile: the database works.
    make_contact()
    drain()
    assert Due.objects.get(contact=one).quarantined_at is not None


def test_a_failure_of_the_contacts_own_is_counted_as_ever() -> None:
    one = make_contact()
    fail("P0001", only=one.pk)
    drain(times=MAX_ATTEMPTS)
    assert Due.objects.get(contact=one).quarantined_at is not None


def test_one_that_fails_among_many_keeps_the_others_for_a_few_tries_only() -> None:
    contacts = [make_contact() for _ in range(32)]
    fail("P0001", only=contacts[20].pk)
    with CaptureQueriesContext(connection) as asked:
        drain()
    assert Standing.objects.count() == 31
    # The whole, and of each level of halves the failing one and its neighbour.
    locks = [query for query in asked if "FOR NO KEY UPDATE OF contact SKIP LOCKED" in query["sql"]]
    assert len(locks) == 1 + 2 * 5
