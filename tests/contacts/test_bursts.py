"""Bursts of clicks: a scanner is found whatever the order in which its traces arrive, and a person's word holds."""

import itertools
import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contacts.ingest.bursts import AT_DELIVERY, HONEYPOT, MANY_LINKS, Sign, Sort, find_bursts
from contacts.models import Contact, Due, Event, EventCorrection, Source
from contacts.services.corrections import reclassify_events
from contacts.services.record import record_events
from scoring.services.evaluate import drain_due
from tests.factories import SourceFactory, make_contact, make_user, record

NOW = datetime.now(UTC).replace(microsecond=0)
NOON = NOW - timedelta(days=2)
_ids = itertools.count(1)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def click(seconds: float, link: str = "a", mail: str = "m1", key: int = 0, *, trap: bool = False) -> Sign:
    return Sign(key or next(_ids), mail, Sort.CLICKED, at(seconds), link, trap)


def delivered(seconds: float, mail: str = "m1") -> Sign:
    return Sign(next(_ids), mail, Sort.DELIVERED, at(seconds))


def marks(*signs: Sign) -> list[str]:
    found = find_bursts(signs)
    return [found.get(sign.key, "") for sign in signs if sign.sort is Sort.CLICKED]


def test_three_links_within_seconds_are_a_scanners() -> None:
    assert marks(click(100, "a"), click(102, "b"), click(104, "c")) == [MANY_LINKS] * 3
    assert marks(click(100, "a"), click(102, "b"), click(105.1, "c")) == [""] * 3


def test_one_link_again_and_again_or_two_links_are_a_persons() -> None:
    assert marks(*(click(100 + n, "a") for n in range(5))) == [""] * 5
    assert marks(click(100, "a"), click(101, "b")) == ["", ""]


def test_links_that_are_not_known_and_other_mails_show_nothing() -> None:
    assert marks(*(click(100, "") for _ in range(4))) == [""] * 4
    assert marks(click(100, "a", "m1"), click(100, "b", "m2"), click(100, "c", "m3")) == [""] * 3


def test_the_person_who_comes_later_is_not_taken_for_the_scanner() -> None:
    scanner = [click(100, "a"), click(101, "b"), click(102, "c")]
    assert marks(*scanner, click(3_600, "b")) == [MANY_LINKS] * 3 + [""]


def test_a_click_at_the_moment_of_delivery_or_before_is_a_scanners() -> None:
    assert marks(delivered(0), click(3), click(-20), click(30), click(-90)) == [AT_DELIVERY, AT_DELIVERY, "", ""]


def test_a_delivery_of_another_mail_or_of_none_that_is_known_shows_nothing() -> None:
    assert marks(delivered(0, "m2"), click(3)) == [""]
    assert marks(delivered(0, ""), click(3, mail="")) == [""]


def test_a_link_that_people_cannot_see_gives_away_all_clicks_around_it() -> None:
    found = marks(click(0, "trap", trap=True), click(20), click(-20, "b"), click(90, "b"))
    assert found == [HONEYPOT] * 3 + [""]


_signs = st.lists(
    st.builds(
        Sign,
        st.integers(),
        st.sampled_from(["m1", "m2", ""]),
        st.sampled_from(list(Sort)),
        st.integers(0, 90).map(at),
        st.sampled_from(["a", "b", "c", "d", ""]),
        st.booleans(),
    ),
    max_size=12,
    unique_by=lambda sign: sign.key,
)


def by_definition(signs: Sequence[Sign]) -> set[Any]:
    """Clicks on several links within five seconds, said the slow way: every stretch that begins at some click."""
    found: set[Any] = set()
    clicks = [sign for sign in signs if sign.sort is Sort.CLICKED]
    for first in clicks:
        within = [
            sign
            for sign in clicks
            if sign.mail == first.mail and timedelta(0) <= sign.at - first.at <= timedelta(seconds=5)
        ]
        if len({sign.link for sign in within if sign.link}) >= 3:
            found |= {sign.key for sign in within}
    return found


@given(_signs)
def test_many_links_are_found_as_they_are_defined(signs: list[Sign]) -> None:
    plain = [sign._replace(is_honeypot=False) for sign in signs]
    assert {key for key, reason in find_bursts(plain).items() if reason == MANY_LINKS} == by_definition(plain)


@given(_signs, st.randoms(use_true_random=False))
def test_what_is_found_does_not_depend_on_the_order_and_only_grows(signs: list[Sign], random: Any) -> None:
    everything = find_bursts(signs)
    shuffled = random.sample(signs, len(signs))
    assert find_bursts(shuffled) == everything
    assert find_bursts(shuffled[: len(signs) // 2]).keys() <= everything.keys()


# In the database


def payload(kind: str, seconds: float, email: str = "anna@acme.test", **properties: Any) -> dict[str, Any]:
    properties.setdefault("message_id", "m1")
    return {
        # A UUID stands for itself, whichever source it is sent by.
        "message_id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{kind} {seconds} {email} {sorted(properties.items())}")),
        "kind": kind,
        "occurred_at": at(seconds).isoformat(),
        "contact": {"email": email},
        "properties": properties,
    }


SCAN = (
    payload("email_delivered", 0),
    payload("email_clicked", 2, url="https://acme.test/a"),
    payload("email_clicked", 20, url="https://acme.test/a"),
    payload("email_clicked", 21, url="https://acme.test/b"),
    payload("email_clicked", 22, url="https://acme.test/c"),
    payload("email_clicked", 4_000, url="https://acme.test/b"),
    payload("email_clicked", 9_000, url="https://acme.test/ripen-honeypot", message_id="m2"),
    payload("email_clicked", 9_030, url="https://acme.test/a", message_id="m2"),
)


def reasons() -> dict[str, str]:
    return dict(Event.objects.values_list("message_id", "suspect_reason"))


def derived() -> list[Any]:
    fields = ("source_at", "source_message", "source_channel", "details_confirmed", "standing__stage")
    scores = ("standing__engagement_mp", "standing__last_activity_at")
    return list(Contact.objects.order_by("email").values_list("email", *fields, *scores))


@pytest.mark.django_db
def test_scanners_are_marked_and_people_are_not() -> None:
    record(*SCAN)
    assert [reasons()[one["message_id"]] for one in SCAN] == [
        "", AT_DELIVERY, MANY_LINKS, MANY_LINKS, MANY_LINKS, "", HONEYPOT, HONEYPOT,
    ]  # fmt: skip


def known_after(*batches: Sequence[dict[str, Any]]) -> tuple[Any, Any]:
    """What is marked and what is judged after these batches, each judged on arrival; nothing of it stays."""
    with transaction.atomic():
        source = SourceFactory.create(name="mail")
        for batch in batches:
            record(*batch, source=source, received_at=NOW)
            drain_due(now=NOW)
        known = reasons(), derived()
        transaction.set_rollback(True)
    return known


@pytest.mark.django_db
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.permutations(SCAN), st.lists(st.integers(1, len(SCAN)), max_size=3))
def test_any_order_and_any_batches_end_the_same(order: list[dict[str, Any]], cuts: list[int]) -> None:
    places = [0, *sorted(set(cuts)), len(order)]
    batches = [order[begin:end] for begin, end in itertools.pairwise(places)]
    assert known_after(*batches) == known_after(SCAN)


@pytest.mark.django_db
def test_clicks_that_turn_out_to_be_a_scanners_lose_their_weight() -> None:
    source = SourceFactory.create()
    record(payload("email_clicked", 20, url="https://acme.test/a"), source=source)
    record(payload("email_clicked", 21, url="https://acme.test/b"), source=source)
    drain_due(now=NOW)
    contact = Contact.objects.get()
    # Two clicks by a person are a reaction to an offer.
    assert contact.standing.stage == "marketing_prospect"
    assert contact.source_at == at(20)
    record(payload("email_clicked", 22, url="https://acme.test/c"), source=source)
    assert set(reasons().values()) == {MANY_LINKS}
    rows = EventCorrection.objects.order_by("id")
    assert [(row.reason, row.corrected_by, row.source) for row in rows] == [(MANY_LINKS, None, None)] * 2
    drain_due(now=NOW)
    contact = Contact.objects.select_related("standing").get()
    assert (contact.standing.stage, contact.standing.engagement_mp) == ("audience", 0)
    assert contact.source_at is None


@pytest.mark.django_db
def test_a_persons_word_is_never_overruled() -> None:
    source, person = SourceFactory.create(), make_user()
    record(*SCAN[2:5], source=source)
    ids = list(Event.objects.order_by("occurred_at").values_list("pk", flat=True))
    reclassify_events(event_ids=ids[:1], suspect_reason="", by=person, now=NOW)
    record(payload("email_clicked", 23, url="https://acme.test/d"), source=source)
    record(payload("email_clicked", 19, url="https://acme.test/ripen-honeypot"), source=source)
    by_time = dict(Event.objects.values_list("occurred_at", "suspect_reason"))
    assert [by_time[at(second)] for second in (19, 20, 21, 22, 23)] == [HONEYPOT, "", HONEYPOT, HONEYPOT, HONEYPOT]


@pytest.mark.django_db
def test_another_suspicion_and_a_retraction_stay_as_they_are() -> None:
    record(payload("email_clicked", 20, url="https://acme.test/a", user_agent="curl/8.9.1"))
    record(payload("email_clicked", 21, url="https://acme.test/b"))
    record(payload("email_clicked", 22, url="https://acme.test/c"))
    found = dict(Event.objects.values_list("occurred_at", "suspect_reason"))
    assert found == {at(20): "bot: program curl", at(21): MANY_LINKS, at(22): MANY_LINKS}


@pytest.mark.django_db
def test_what_is_suspect_from_the_start_begins_nothing_and_confirms_nothing() -> None:
    record(
        payload("email_clicked", 0, url="https://acme.test/a", user_agent="curl/8.9.1", campaign="spring"),
        payload("form_submitted", 10, channel="website"),
    )
    contact = Contact.objects.get()
    assert (contact.source_channel, contact.source_at) == ("website", at(10))


@pytest.mark.django_db
def test_the_statements_do_not_grow_and_other_batches_pay_none() -> None:
    source = SourceFactory.create()
    for number in range(4):
        make_contact(email=f"p{number}@acme.test")

    def statements(events: Iterable[dict[str, Any]]) -> list[str]:
        with CaptureQueriesContext(connection) as captured:
            record(*events, source=source)
        return [query["sql"] for query in captured.captured_queries]

    def scan(number: int, second: int) -> list[dict[str, Any]]:
        return [
            payload("email_clicked", second + n, f"p{number}@acme.test", url=f"https://acme.test/{n}") for n in range(3)
        ]

    def in_two_parts(*scans: list[dict[str, Any]]) -> int:
        first = statements([event for scan in scans for event in scan[:2]])
        return len(first) + len(statements([event for scan in scans for event in scan[2:]]))

    assert in_two_parts(scan(1, 300), scan(2, 300), scan(3, 300)) == in_two_parts(scan(0, 200))
    others = statements([payload("form_submitted", 400, "p0@acme.test")])
    assert not any("contacts_eventcorrection" in sql for sql in others)
    assert Due.objects.exists()


@pytest.mark.django_db
def test_recording_again_changes_nothing() -> None:
    source: Source = SourceFactory.create()
    record(*SCAN, source=source)
    before = reasons()
    assert record(*SCAN, source=source).duplicates == len(SCAN)
    assert reasons() == before
    assert record_events(source=source, events=[], received_at=NOW).accepted == 0
