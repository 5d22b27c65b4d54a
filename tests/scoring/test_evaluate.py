"""The drain: facts in, standings and transitions out, and time as an event."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from contacts.models import Contact, Due, Event, Standing
from scoring.models import Definition, Publication, Transition
from scoring.services.evaluate import MAX_ATTEMPTS, drain_due
from scoring.services.explain import explain_contact
from scoring.services.publish import judge_publication, publish_definition
from scoring.services.rebuild import rebuild_contacts
from tests.scoring.facts import FITTING, contact_id_of, incoming, record

pytestmark = pytest.mark.django_db
committed = pytest.mark.django_db(transaction=True, serialized_rollback=True)

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def drain(now: datetime = NOW) -> int:
    total = 0
    while judged := drain_due(now=now):
        total += judged
    return total


def chain(email: str = "ann@acme.example") -> list[tuple[str, datetime, str]]:
    rows = Transition.objects.filter(contact_id=contact_id_of(email), superseded_at=None).order_by("effective_at")
    return [(row.to_stage, row.effective_at, row.cause) for row in rows]


def stage_of(email: str = "ann@acme.example") -> str:
    return Standing.objects.get(contact_id=contact_id_of(email)).stage


def everything() -> list[Any]:
    return [list(Standing.objects.order_by("contact_id").values()), list(Transition.objects.order_by("id").values())]


def test_a_demo_request_makes_a_sales_prospect() -> None:
    record(incoming("demo_requested", NOW, traits=FITTING))
    assert drain() == 1
    assert chain() == [("sales_prospect", NOW, "event")]
    assert not Due.objects.exists()


def test_what_arrives_while_a_drain_takes_its_locks_is_judged_by_it() -> None:
    record(incoming("newsletter_subscribed", NOW - DAY, traits=FITTING))
    # It arrived after the drain had looked at the clock, and before the drain read what is due.
    later = NOW + timedelta(milliseconds=300)
    record(incoming("demo_requested", later), at=later)
    assert drain_due(now=NOW, clock=lambda: later) == 1
    assert not Due.objects.exists()
    assert chain() == [("lead", NOW - DAY, "event"), ("sales_prospect", later, "event")]


def test_judging_again_writes_nothing() -> None:
    record(incoming("demo_requested", NOW, traits=FITTING))
    drain()
    before = everything()
    assert drain() == 0
    assert rebuild_contacts(now=NOW) == 1
    assert everything() == before


def test_an_attribute_that_arrives_later_completes_the_criteria() -> None:
    record(incoming("demo_requested", NOW - 2 * DAY))
    drain(NOW - 2 * DAY)
    assert stage_of() == "marketing_prospect"
    record(incoming(None, NOW, traits=FITTING))
    drain()
    assert chain()[-1] == ("sales_prospect", NOW, "attribute")


def test_a_company_learning_its_size_rejudges_its_people() -> None:
    for name in ("ann", "bob"):
        record(
            incoming(
                "demo_requested",
                NOW - 2 * DAY,
                email=f"{name}@acme.example",
                traits={"job_title": "Director", "company": {"domain": "acme.example"}},
            )
        )
    drain(NOW - 2 * DAY)
    assert stage_of("bob@acme.example") == "marketing_prospect"
    record(incoming(None, NOW, traits={"company": {"domain": "acme.example", "employees": 300}}))
    drain()
    assert chain("bob@acme.example")[-1] == ("sales_prospect", NOW, "attribute")


def test_a_late_event_rewrites_history_and_keeps_what_it_corrects() -> None:
    record(incoming("newsletter_subscribed", NOW - 9 * DAY, traits=FITTING))
    record(incoming("pricing_requested", NOW - 2 * DAY))
    drain()
    wrong = Transition.objects.get(to_stage="sales_prospect")
    record(incoming("demo_requested", NOW - 5 * DAY), at=NOW)
    drain()
    assert chain() == [("lead", NOW - 9 * DAY, "event"), ("sales_prospect", NOW - 5 * DAY, "event")]
    wrong.refresh_from_db()
    assert wrong.superseded_at == NOW
    assert wrong.superseded_by is not None
    assert wrong.superseded_by.effective_at == NOW - 5 * DAY
    assert wrong.consumed_at is None


def test_a_retracted_event_never_happened() -> None:
    record(incoming("newsletter_subscribed", NOW - 9 * DAY, traits=FITTING), incoming("demo_requested", NOW - 2 * DAY))
    drain()
    Event.objects.filter(kind__name="demo_requested").update(retracted_at=NOW)
    Due.objects.create(contact_id=contact_id_of(), occurred_at=NOW - 2 * DAY)
    drain()
    assert chain() == [("lead", NOW - 9 * DAY, "event")]
    assert Transition.objects.filter(superseded_at=NOW).count() == 1


def test_a_suspect_click_weighs_nothing() -> None:
    record(incoming("email_clicked", NOW, traits=FITTING))
    Event.objects.update(suspect_reason="scanner: every link within seconds")
    drain()
    assert stage_of() == "audience"


def test_decay_moves_a_contact_back_at_its_review_and_not_before() -> None:
    record(incoming("form_submitted", NOW), incoming("form_submitted", NOW, message_id="second"))
    drain()
    assert stage_of() == "marketing_prospect"
    moments = []
    for _ in range(30):
        review = Standing.objects.get(contact_id=contact_id_of()).review_at
        if review is None:
            break
        assert drain(review - timedelta(microseconds=1)) == 0
        drain(review)
        moments.append((review, stage_of()))
    fallen = next(when for when, stage in moments if stage == "lead")
    # 30 points reach 20 after 30 days * log2(30 / 20), to the next full minute or two.
    assert timedelta(0) <= fallen - NOW - timedelta(days=17.5488) < timedelta(minutes=4)
    assert chain()[-1] == ("lead", fallen, "time")


def test_a_drain_that_comes_late_judges_reviews_at_their_time() -> None:
    record(incoming("demo_requested", NOW, traits=FITTING))
    drain()
    drain(NOW + 300 * DAY)
    assert chain() == [
        ("sales_prospect", NOW, "event"),
        ("lead", NOW + 60 * DAY, "time"),
    ]


def test_means_that_turn_no_close_the_gate() -> None:
    record(incoming("demo_requested", NOW - DAY, traits=FITTING))
    drain(NOW - DAY)
    record(incoming(None, NOW, traits={"means": "no"}))
    drain()
    assert chain()[-1] == ("marketing_prospect", NOW, "attribute")


def test_outbound_contacts_become_leads_only_with_confirmed_details() -> None:
    record(incoming("list_imported", NOW - 2 * DAY), incoming("newsletter_subscribed", NOW - DAY))
    drain(NOW - DAY)
    assert stage_of() == "audience"
    record(incoming("details_confirmed", NOW))
    drain()
    assert stage_of() == "lead"


def test_the_number_of_queries_does_not_grow_with_the_batch() -> None:
    def queries(people: list[str]) -> int:
        record(*[incoming("demo_requested", NOW, email=f"{name}@acme.example") for name in people])
        with CaptureQueriesContext(connection) as captured:
            assert drain_due(now=NOW) == len(people)
        return len(captured)

    assert queries(["a"]) == queries(["b", "c", "d"])


@committed
def test_a_long_queue_is_not_read_as_a_whole_for_each_batch() -> None:
    record(incoming("page_viewed", NOW, email="first@acme.example"), incoming("page_viewed", NOW))
    first, other = contact_id_of("first@acme.example"), contact_id_of("ann@acme.example")
    Due.objects.all().delete()
    Due.objects.bulk_create(Due(contact_id=first, occurred_at=NOW) for _ in range(30))
    Due.objects.bulk_create(Due(contact_id=other, occurred_at=NOW) for _ in range(30))
    # The window of a batch of two is sixteen rows: all of the first contact, whose rows then go, and none of the other.
    assert drain_due(now=NOW, limit=2) == 1
    assert set(Due.objects.values_list("contact_id", flat=True)) == {other}
    assert drain_due(now=NOW, limit=2) == 1
    assert not Due.objects.exists()


def test_a_poisoned_contact_is_quarantined_in_sight_and_its_neighbours_are_judged() -> None:
    record(
        incoming("newsletter_subscribed", NOW, email="good@acme.example"),
        incoming("newsletter_subscribed", NOW, email="bad@acme.example"),
    )
    with connection.cursor() as cursor:
        # No code of ours writes such a row: a trigger stands for whatever we did not think of.
        cursor.execute(
            "CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"IF NEW.contact_id = {contact_id_of('bad@acme.example')} THEN RAISE EXCEPTION 'poison'; END IF; "
            "RETURN NEW; END $$"
        )
        cursor.execute(
            "CREATE TRIGGER poison BEFORE INSERT ON contacts_standing FOR EACH ROW EXECUTE FUNCTION poison()"
        )
    try:
        for _ in range(MAX_ATTEMPTS):
            drain_due(now=NOW)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TRIGGER poison ON contacts_standing")
            cursor.execute("DROP FUNCTION poison")
    assert stage_of("good@acme.example") == "lead"
    due = Due.objects.get()
    assert (due.attempts, due.quarantined_at) == (MAX_ATTEMPTS, NOW)
    assert "poison" in due.error


@committed
def test_an_event_that_arrives_while_its_contact_is_judged_is_not_lost() -> None:
    record(incoming("newsletter_subscribed", NOW - DAY, traits=FITTING))
    contact_id = contact_id_of()
    arrived = threading.Event()

    def ingest() -> None:
        try:
            record(incoming("demo_requested", NOW))
        finally:
            connection.close()
            arrived.set()

    with transaction.atomic():
        # What a drain holds while it judges.
        Contact.objects.select_for_update(no_key=True).get(pk=contact_id)
        thread = threading.Thread(target=ingest)
        thread.start()
        assert arrived.wait(10), "ingest had to wait for the evaluator"
        assert drain_due(now=NOW) == 1
    thread.join()
    drain()
    assert stage_of() == "sales_prospect"


@committed
def test_two_drains_never_judge_one_contact_twice() -> None:
    record(*[incoming("newsletter_subscribed", NOW, email=f"p{n}@acme.example") for n in range(40)])
    counts: list[int] = []

    def run() -> None:
        try:
            while judged := drain_due(now=NOW, limit=10):
                counts.append(judged)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    drain()
    assert Standing.objects.count() == 40
    assert Transition.objects.count() == 40


def test_a_publication_judges_everybody_at_its_moment_bulk_and_drain_alike() -> None:
    record(incoming("newsletter_subscribed", NOW - 9 * DAY, traits=FITTING))
    record(incoming("demo_requested", NOW - 5 * DAY, email="bob@acme.example", traits=FITTING))
    drain(NOW - DAY)
    document = Definition.objects.get(key="default").document
    # Under the new definition a newsletter is worth a marketing prospect.
    signals = [{**s, "points": 40} if s["key"] == "newsletter" else s for s in document["signals"]]
    draft = Definition.objects.create(key="default", version=2, name="x", document={**document, "signals": signals})
    publication = publish_definition(definition_id=draft.pk, by=None, now=NOW)
    assert judge_publication(publication) == 1
    assert chain() == [("lead", NOW - 9 * DAY, "event"), ("marketing_prospect", NOW, "publication")]
    assert chain("bob@acme.example") == [("sales_prospect", NOW - 5 * DAY, "event")]
    before = everything()
    assert judge_publication(publication) == 0
    rebuild_contacts(now=NOW)
    assert everything() == before
    Publication.objects.filter(pk=publication.pk).update(retracted_at=NOW)
    rebuild_contacts(now=NOW)
    assert stage_of() == "lead"


def test_a_definition_without_the_stage_counts_as_the_next_weaker_one() -> None:
    record(incoming("social_question", NOW - DAY, traits=FITTING))
    drain(NOW - DAY)
    document = Definition.objects.get(key="default").document
    stages = [stage for stage in document["stages"] if stage["key"] != "marketing_prospect"]
    draft = Definition.objects.create(key="default", version=2, name="x", document={**document, "stages": stages})
    publication = publish_definition(definition_id=draft.pk, by=None, now=NOW)
    # Its score fell below 30 a minute after the question: a review is due, so the drain takes it.
    assert judge_publication(publication) == 0
    drain()
    assert chain()[-1] == ("lead", NOW, "publication")
    assert Transition.objects.get(effective_at=NOW).from_stage == "marketing_prospect"
    before = everything()
    rebuild_contacts(now=NOW)
    assert everything() == before


def test_why_adds_up_and_says_what_is_missing() -> None:
    record(incoming("newsletter_subscribed", NOW - 9 * DAY, traits=FITTING))
    record(*[incoming("page_viewed", NOW - DAY, message_id=f"view {n}") for n in range(15)])
    drain()
    why = explain_contact(contact_id=contact_id_of(), at=NOW)
    assert why["sentence"] == "Lead since 21 Feb: subscribed to the newsletter on 21 Feb."
    assert round(sum(line["points"] for line in why["ledger"]), 3) == why["scores"]["engagement"]
    assert why["ledger"][-1]["label"] == "Browsing: capped at 10"
    assert why["next_stage"]["key"] == "marketing_prospect"
    assert why["next_stage"]["unmet"][0].startswith("engagement of at least 30 or a question about the product")
    assert why["next_change"] is None


def test_why_in_the_past_uses_what_was_true_then() -> None:
    record(incoming("demo_requested", NOW - 20 * DAY, traits=FITTING))
    record(incoming(None, NOW - 3 * DAY, traits={"authority": "no"}))
    drain()
    then = explain_contact(contact_id=contact_id_of(), at=NOW - 10 * DAY)
    assert then["stage"]["key"] == "sales_prospect"
    assert then["sentence"] == "Sales prospect since 10 Feb: asked for a demo on 10 Feb, fit 30 of 20 needed."
    assert then["next_change"] == {
        "at": (NOW + 40 * DAY).isoformat(),
        "stage": "lead",
        "label": "Lead",
    }
    now = explain_contact(contact_id=contact_id_of(), at=NOW)
    assert now["stage"]["key"] == "marketing_prospect"
    assert now["next_stage"]["unmet"] == ['authority not "no"']


def test_why_before_the_first_judgement_is_computed_live() -> None:
    record(incoming("demo_requested", NOW, traits=FITTING))
    why = explain_contact(contact_id=contact_id_of(), at=NOW)
    assert why["stage"]["key"] == "sales_prospect"
    assert not Standing.objects.exists()
