"""An event that never happened, or that a machine did: stage, furthest stage and offers follow, and come back."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from contacts.models import Due, Event, Standing
from contacts.services.corrections import reclassify_events, restore_events, retract_events
from funnel.models import Handoff
from funnel.services.consequences import draw_consequences
from funnel.services.hooks.messages import take_announcements
from funnel.services.notices.telling import tell_announcements
from scoring.models import Transition
from scoring.services.evaluate import drain_due
from scoring.services.rebuild import rebuild_contacts
from tests.factories import make_event, record

pytestmark = pytest.mark.django_db
committed = pytest.mark.django_db(transaction=True, serialized_rollback=True)

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)
ANN = {"email": "ann@acme.test"}
FITTING: dict[str, Any] = {
    "job_title": "Head of Operations",
    "company": {"name": "Acme", "industry": "software", "employees": 200},
}


def happened(kind: str, at: datetime) -> Event:
    payload = make_event(kind, contact=ANN, traits=FITTING, occurred_at=at.isoformat())
    record(payload, received_at=NOW)
    return Event.objects.get(message_id=payload["message_id"])


def settle() -> None:
    while drain_due(now=NOW) or draw_consequences(now=NOW):
        pass
    while tell_announcements(now=NOW) or take_announcements(now=NOW):
        pass


def retract(event: Event) -> None:
    retract_events(event_ids=[event.pk], reason="a mistake", by=None, now=NOW)


def restore(event: Event) -> None:
    restore_events(event_ids=[event.pk], reason="it was real", by=None, now=NOW)


def suspect(event: Event, reason: str) -> None:
    reclassify_events(event_ids=[event.pk], suspect_reason=reason, by=None, now=NOW)


def standing() -> tuple[str, str, int]:
    row = Standing.objects.get()
    return row.stage, row.furthest_stage, row.engagement_mp


def chain() -> list[tuple[str, datetime]]:
    rows = Transition.objects.filter(superseded_at=None).order_by("effective_at")
    return list(rows.values_list("to_stage", "effective_at"))


def derived() -> list[Any]:
    rows: list[Any] = list(Standing.objects.order_by("contact_id").values())
    return rows + list(Transition.objects.filter(superseded_at=None).order_by("id").values())


def offers() -> list[str]:
    return list(Handoff.objects.order_by("id").values_list("state", flat=True))


@pytest.mark.parametrize("how", ["mistake", "bot"])
def test_a_stage_falls_with_its_only_evidence_and_returns_with_it(how: str) -> None:
    happened("newsletter_subscribed", NOW - 9 * DAY)
    demo = happened("demo_requested", NOW - 2 * DAY)
    settle()
    assert standing()[:2] == ("sales_prospect", "sales_prospect")
    assert offers() == ["offered"]

    retract(demo) if how == "mistake" else suspect(demo, "bot: every link within a second")
    settle()
    assert standing()[:2] == ("lead", "lead"), "neither the stage nor the furthest one was ever reached"
    assert chain() == [("lead", NOW - 9 * DAY)]
    assert offers() == ["withdrawn"]
    fallen = derived()
    rebuild_contacts(now=NOW)
    assert derived() == fallen
    call_command("verify")

    restore(demo) if how == "mistake" else suspect(demo, "")
    settle()
    assert standing()[:2] == ("sales_prospect", "sales_prospect")
    assert chain() == [("lead", NOW - 9 * DAY), ("sales_prospect", NOW - 2 * DAY)]
    assert offers() == ["withdrawn", "offered"]
    assert Transition.objects.count() == 3, "what was believed meanwhile is superseded, not deleted"
    rebuild_contacts(now=NOW)
    call_command("verify")


def test_a_list_that_was_imported_by_mistake_no_longer_makes_a_contact_one_that_we_found() -> None:
    imported = happened("list_imported", NOW - 9 * DAY)
    happened("newsletter_subscribed", NOW - 5 * DAY)
    settle()
    assert standing()[0] == "audience", "its details are not confirmed"
    retract(imported)
    settle()
    # Its name and employer came with the list and are still known since then.
    assert chain() == [("audience", NOW - 9 * DAY), ("lead", NOW - 5 * DAY)]
    call_command("verify")
    restore(imported)
    settle()
    assert standing()[0] == "audience"
    call_command("verify")


def test_a_confirmation_that_was_a_mistake_takes_the_stage_along() -> None:
    happened("list_imported", NOW - 9 * DAY)
    happened("newsletter_subscribed", NOW - 5 * DAY)
    confirmation = happened("details_confirmed", NOW - 2 * DAY)
    settle()
    assert chain()[-1] == ("lead", NOW - 2 * DAY)
    retract(confirmation)
    settle()
    assert standing()[:2] == ("audience", "audience")
    call_command("verify")
    restore(confirmation)
    settle()
    assert chain()[-1] == ("lead", NOW - 2 * DAY)
    rebuild_contacts(now=NOW)
    call_command("verify")


def test_a_contact_whose_every_event_was_a_mistake_is_audience_and_nothing_more() -> None:
    only = happened("purchased", NOW - DAY)
    settle()
    assert standing()[0] == "customer"
    retract(only)
    settle()
    assert standing() == ("audience", "audience", 0)
    call_command("verify")


@committed
def test_a_correction_made_while_a_drain_judges_is_judged_by_the_next_one() -> None:
    demo = happened("demo_requested", NOW - 2 * DAY)
    settle()
    happened("page_viewed", NOW - DAY)
    corrected = threading.Event()

    def judge() -> None:
        try:
            drain_due(now=NOW)
        finally:
            connection.close()

    def correct() -> None:
        try:
            retract(demo)
            corrected.set()
        finally:
            connection.close()

    threads = [threading.Thread(target=judge), threading.Thread(target=correct)]
    with transaction.atomic():
        # The drain has read its facts, with the demo request, by the time it waits for this row to write its verdict.
        Standing.objects.select_for_update().get()
        threads[0].start()
        wait_until_somebody_waits(1)
        threads[1].start()
        wait_until_somebody_waits(2)
        assert not corrected.is_set()
    for thread in threads:
        thread.join(10)
    assert corrected.is_set()
    assert standing()[0] == "sales_prospect", "the drain that was under way could not know"
    assert Due.objects.count() == 1
    settle()
    assert standing()[:2] == ("audience", "audience")
    call_command("verify")


@committed
def test_a_drain_leaves_a_contact_that_is_being_corrected_to_the_next_one() -> None:
    demo = happened("demo_requested", NOW - 2 * DAY)
    settle()
    happened("page_viewed", NOW - DAY)
    judged: list[int] = []

    def judge() -> None:
        try:
            judged.append(drain_due(now=NOW))
        finally:
            connection.close()

    with transaction.atomic():
        retract(demo)
        thread = threading.Thread(target=judge)
        thread.start()
        thread.join(10)
    assert judged == [0]
    settle()
    assert standing()[0] == "audience"


@committed
def test_control_a_mark_set_apart_from_its_due_row_is_missed() -> None:
    demo = happened("demo_requested", NOW - 2 * DAY)
    settle()
    Due.objects.create(contact_id=demo.contact_id, occurred_at=demo.occurred_at)
    settle()
    Event.objects.filter(pk=demo.pk).update(retracted_at=NOW)
    settle()
    assert standing()[0] == "sales_prospect"
    with pytest.raises(SystemExit):
        call_command("verify")


def wait_until_somebody_waits(number: int) -> None:
    """Return once so many backends of this database wait for a lock."""
    for _ in range(1_000):
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0] >= number:
                return
        threading.Event().wait(0.01)
    raise AssertionError("nobody waits for a lock")
