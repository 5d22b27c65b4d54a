"""Which changes of stage are news: each true change once, in time, and never what a quiet publication did."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from contacts.models import Event
from contacts.services.corrections import restore_events, retract_events
from scoring.announcing import NEWS_FOR, announces
from scoring.models import Definition, Transition
from scoring.selectors.moves import with_notice_facts
from scoring.services.evaluate import drain_due
from scoring.services.publish import judge_publication, publish_definition
from scoring.services.rebuild import rebuild_contacts
from tests.scoring.facts import FITTING, contact_id_of, incoming, record

pytestmark = pytest.mark.django_db

NOW = datetime.now(UTC).replace(microsecond=0)
HOUR = timedelta(hours=1)


def news() -> list[tuple[str, datetime]]:
    """What is announced, in the order in which it was recorded."""
    rows = with_notice_facts(Transition.objects.order_by("pk"))
    return [
        (row.to_stage, row.effective_at)
        for row in rows
        if announces(row, **{name: getattr(row, name) for name in ("is_in_force", "is_first", "is_quiet")})
    ]


def learn(kind: str, at: datetime, message_id: str = "") -> None:
    record(incoming(kind, at, traits=FITTING, message_id=message_id or kind), at=NOW)
    while drain_due(now=NOW):
        pass


def test_a_change_is_news_for_seventy_two_hours_and_then_history() -> None:
    record(incoming("newsletter_subscribed", NOW - 90 * HOUR, traits=FITTING), at=NOW)
    record(incoming("demo_requested", NOW - 2 * HOUR), at=NOW)
    drain_due(now=NOW)
    assert news() == [("sales_prospect", NOW - 2 * HOUR)]
    row = Transition.objects.get(to_stage="lead")
    for recorded, told in ((NEWS_FOR, True), (NEWS_FOR + timedelta(microseconds=1), False)):
        row.recorded_at = row.effective_at + recorded
        assert announces(row, is_in_force=True, is_first=True, is_quiet=False) is told


def test_a_change_that_is_only_recorded_again_is_said_once() -> None:
    learn("newsletter_subscribed", NOW - 5 * HOUR)
    learn("demo_requested", NOW - 2 * HOUR)
    told = news()
    assert told == [("lead", NOW - 5 * HOUR), ("sales_prospect", NOW - 2 * HOUR)]
    # The same changes with another score: their rows are replaced, what they say is not.
    learn("page_viewed", NOW - 6 * HOUR)
    assert Transition.objects.filter(superseded_at__isnull=False).count() == 2
    assert news() == [*told, ("audience", NOW - 6 * HOUR)]


def test_what_turns_out_wrong_is_news_no_more() -> None:
    learn("newsletter_subscribed", NOW - 5 * HOUR)
    learn("demo_requested", NOW - 2 * HOUR)
    demo = Event.objects.get(kind__name="demo_requested")
    retract_events(event_ids=[demo.pk], reason="", by=None, now=NOW)
    drain_due(now=NOW)
    assert news() == [("lead", NOW - 5 * HOUR)]
    restore_events(event_ids=[demo.pk], reason="", by=None, now=NOW)
    drain_due(now=NOW)
    assert news() == [("lead", NOW - 5 * HOUR), ("sales_prospect", NOW - 2 * HOUR)]


@pytest.mark.parametrize("quiet", [False, True])
def test_a_quiet_publication_announces_nothing(quiet: bool) -> None:
    learn("newsletter_subscribed", NOW - 5 * HOUR)
    document = Definition.objects.get(key="default", version=1).document
    signals = [{**s, "points": 40} if s["key"] == "newsletter" else s for s in document["signals"]]
    draft = Definition.objects.create(key="default", version=2, name="x", document={**document, "signals": signals})
    judge_publication(publish_definition(definition_id=draft.pk, by=None, now=NOW, quiet=quiet))
    rebuild_contacts(now=NOW)
    moved = [] if quiet else [("marketing_prospect", NOW)]
    assert news() == [("lead", NOW - 5 * HOUR), *moved]


def test_the_facts_cost_one_query_however_many_rows() -> None:
    for number in range(3):
        record(incoming("demo_requested", NOW, email=f"p{number}@acme.example"))
    drain_due(now=NOW)
    assert contact_id_of("p0@acme.example")
    with CaptureQueriesContext(connection) as captured:
        assert len(news()) == 3
    assert len(captured) == 1
