"""Consent and refusal as rows: the ledger nobody rewrites, refusals whatever way they arrive, and who may record."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from contacts.enums import Role
from contacts.ingest.incoming import Refused
from contacts.models import ConsentEntry, Contact, Event, Mail, Merge, Purpose, Suppression
from contacts.services.consent import consents_of, permit_erasure, record_consent
from contacts.services.consent_facts import suppress_address
from contacts.services.suppression import (
    NotLiftable,
    count_suppressions,
    is_suppressed,
    lift_suppression,
    suppressed_among,
)
from tests.contacts.test_record_races import at_once
from tests.factories import SourceFactory, make_contact, make_event, make_source, make_token, make_user, record

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
ADDRESS = "ann@acme.example"


def grant(contact: Contact, purpose: str = "newsletter", at: datetime = NOW) -> None:
    assert record_consent(
        contact_id=contact.pk, purpose=purpose, action="granted", proof={"text": "said so"}, at=at, now=at
    )


def states(contact: Contact) -> dict[str, str]:
    contact.refresh_from_db()
    consent = consents_of([contact])[contact.pk]
    return {row["purpose"]: row["state"] for row in consent.rows()}


def happens(contact: Contact, kind: str, at: datetime = NOW + timedelta(hours=1), **properties: Any) -> None:
    name = {"external_id": "u1"} if not contact.email else {"email": contact.email}
    event = make_event(kind, contact=name, occurred_at=at.isoformat(), properties=properties)
    assert not record(event, received_at=at + timedelta(minutes=1)).rejected


@pytest.fixture
def ann() -> Contact:
    return make_contact({"kind": "newsletter_subscribed", "occurred_at": "2026-11-01T09:00:00Z"}, email=ADDRESS)


def test_subscribing_is_interest_and_no_consent(ann: Contact) -> None:
    assert states(ann) == {}


@pytest.mark.parametrize(
    ("kind", "properties", "reason"),
    [
        ("unsubscribed", {}, "unsubscribed"),
        ("unsubscribed", {"purpose": "a list we never heard of"}, "unsubscribed"),
        ("unsubscribed", {"purpose": ["newsletter"]}, "unsubscribed"),
        ("email_complained", {}, "complained"),
        ("email_bounced", {}, "bounced"),
        ("email_bounced", {"type": "hard"}, "bounced"),
    ],
)
def test_who_refuses_is_suppressed_and_has_withdrawn(
    ann: Contact, kind: str, properties: Mapping[str, Any], reason: str
) -> None:
    grant(ann)
    grant(ann, "marketing")
    happens(ann, kind, **properties)
    assert suppressed_among([ADDRESS])[ADDRESS].reason == reason
    found = states(ann)
    assert (found["newsletter"], found["marketing"]) == ("withdrawn", "withdrawn")
    # A dead mailbox is no objection; the person's own word is one, also to what needs no consent.
    assert ("sales" in found) == (kind != "email_bounced")
    proof = ConsentEntry.objects.filter(action="withdrawn").earliest("id").proof
    assert (proof["how"], proof["kind"]) == ("event", kind)


@pytest.mark.parametrize("kind", ["soft", "transient", "Deferred"])
def test_a_full_mailbox_suppresses_nothing(ann: Contact, kind: str) -> None:
    grant(ann)
    happens(ann, "email_bounced", type=kind)
    assert states(ann) == {"newsletter": "granted"}
    assert not is_suppressed(ADDRESS)


def test_one_purpose_is_withdrawn_alone(ann: Contact) -> None:
    grant(ann)
    grant(ann, "marketing")
    happens(ann, "unsubscribed", purpose="marketing")
    assert states(ann) == {"marketing": "withdrawn", "newsletter": "granted"}
    assert not is_suppressed(ADDRESS)


def test_a_bounce_of_an_old_address_says_nothing_about_the_new_one(ann: Contact) -> None:
    record(make_event(contact={"external_id": "u7", "email": ADDRESS}, occurred_at="2026-11-02T09:00:00Z"))
    record(make_event(contact={"external_id": "u7", "email": "ann@new.example"}, occurred_at="2026-11-03T09:00:00Z"))
    ann.refresh_from_db()
    assert ann.email == "ann@new.example"
    grant(ann)
    record(make_event("email_bounced", contact={"email": ADDRESS}, occurred_at="2026-11-23T09:00:00Z"), received_at=NOW)
    assert (is_suppressed(ADDRESS), is_suppressed("ann@new.example")) == (True, False)
    assert states(ann) == {"newsletter": "granted"}


def test_subscribing_again_lifts_nothing(ann: Contact) -> None:
    grant(ann)
    happens(ann, "unsubscribed")
    happens(ann, "newsletter_subscribed", at=NOW + timedelta(days=1))
    assert is_suppressed(ADDRESS)
    assert states(ann)["newsletter"] == "withdrawn"
    with pytest.raises(Refused) as refused:
        grant(ann, at=NOW + timedelta(days=2))
    assert refused.value.code == "suppressed"


def test_a_refusal_from_before_the_consent_is_history(ann: Contact) -> None:
    grant(ann)
    happens(ann, "unsubscribed", at=NOW - timedelta(days=400))
    assert states(ann)["newsletter"] == "granted"
    assert not is_suppressed(ADDRESS)


def test_repeating_the_message_adds_nothing(ann: Contact) -> None:
    source = SourceFactory.create()
    event = make_event("unsubscribed", contact={"email": ADDRESS})
    for _ in range(3):
        record(event, source=source)
    assert Suppression.objects.count() == 1
    assert ConsentEntry.objects.count() == 1  # the objection to being sold to


def test_two_sources_may_use_the_same_message_id(ann: Contact) -> None:
    event = make_event("unsubscribed", contact={"email": ADDRESS}, properties={"purpose": "newsletter"})
    event["message_id"] = "0b0f6a3e-6d0e-4a55-9f0c-6a1d8f5f2d11"
    for source in (SourceFactory.create(), SourceFactory.create()):
        record(event, source=source)
    assert ConsentEntry.objects.count() == 2


def test_a_batch_without_refusals_costs_no_statement(ann: Contact) -> None:
    def statements(kind: str) -> list[str]:
        with CaptureQueriesContext(connection) as queries:
            record(make_event(kind, contact={"email": ADDRESS}), source=source)
        return [query["sql"] for query in queries if "suppression" in query["sql"] or "consent" in query["sql"]]

    source = SourceFactory.create()
    assert statements("page_viewed") == []
    assert statements("unsubscribed") != []


def test_the_statements_of_a_batch_of_refusals_do_not_depend_on_its_size() -> None:
    def statements(count: int) -> int:
        contacts = [make_contact() for _ in range(count)]
        for contact in contacts:
            grant(contact)
        events = [make_event("unsubscribed", contact={"email": contact.email}) for contact in contacts]
        with CaptureQueriesContext(connection) as queries:
            record(*events, source=source)
        return len(queries)

    source = SourceFactory.create()
    assert statements(1) == statements(3) == statements(20)


def test_what_waits_to_be_sent_is_dropped(ann: Contact) -> None:
    news = Purpose.objects.get(key="newsletter")
    mail = Mail.objects.create(contact=ann, address=ADDRESS, subject="News", body="...", purpose=news, due_at=NOW)
    happens(ann, "unsubscribed", purpose="newsletter")
    mail.refresh_from_db()
    assert (mail.state, mail.address, mail.body) == ("dropped", "", "")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE contacts_consententry SET action = 'granted'",
        "UPDATE contacts_consententry SET proof = '{}'",
        "UPDATE contacts_consententry SET at = now()",
        "UPDATE contacts_consententry SET purpose_id = 4",
        "DELETE FROM contacts_consententry",
    ],
)
def test_the_database_refuses_to_rewrite_the_ledger(ann: Contact, statement: str) -> None:
    happens(ann, "unsubscribed")
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_a_merge_may_re_point_an_entry_and_an_erasure_take_it(ann: Contact) -> None:
    happens(ann, "unsubscribed")
    other = make_contact()
    ConsentEntry.objects.update(contact=other, origin_contact_id=ann.pk)
    with transaction.atomic(), connection.cursor() as cursor:
        permit_erasure(cursor)
        assert ConsentEntry.objects.all().delete()[0] == 1


def test_a_merged_persons_withdrawal_holds_for_the_winner_until_the_merge_is_undone(ann: Contact) -> None:
    other = make_contact(email="bob@acme.example")
    grant(ann)
    happens(other, "unsubscribed", purpose="newsletter")
    ConsentEntry.objects.filter(contact=other).update(contact=ann, origin_contact_id=other.pk)
    merge = Merge.objects.create(winner=ann, loser=other, winner_events=1, loser_events=1, events_after=2)
    Contact.objects.filter(pk=other.pk).update(merged_into=ann)
    assert states(ann) == {"newsletter": "withdrawn"}
    merge.undone_at = NOW
    merge.save()
    ConsentEntry.objects.filter(origin_contact_id=other.pk).update(contact=other, origin_contact_id=None)
    assert (states(ann), states(other)) == ({"newsletter": "granted"}, {"newsletter": "withdrawn"})


def test_an_address_is_suppressed_whether_or_not_anybody_has_it(ann: Contact) -> None:
    grant(ann)
    suppress_address(address=" Ann@ACME.example ", now=NOW + timedelta(days=1))
    suppress_address(address="nobody@nowhere.example", reason="objected", now=NOW)
    assert states(ann)["newsletter"] == "withdrawn"
    assert is_suppressed("nobody@nowhere.example")
    assert count_suppressions() == {"unsubscribed": 0, "complained": 0, "bounced": 0, "objected": 1, "by_hand": 1}
    assert "nobody" not in str(Suppression.objects.values())


def test_a_stronger_reason_takes_the_weaker_ones_place_and_never_the_other_way() -> None:
    for reason, stands in (("bounced", "bounced"), ("complained", "complained"), ("unsubscribed", "complained")):
        suppress_address(address=ADDRESS, reason=reason, now=NOW)
        assert suppressed_among([ADDRESS])[ADDRESS].reason == stands
    assert Suppression.objects.count() == 1


def test_lifting_by_hand_needs_a_reason_and_leaves_a_trace() -> None:
    manager = make_user(Role.MANAGER)
    suppress_address(address=ADDRESS, reason="bounced", now=NOW)
    with pytest.raises(Refused, match="Say why"):
        lift_suppression(address=ADDRESS, because=" ", by=manager, now=NOW)
    lift_suppression(address=ADDRESS, because="The mailbox works again", by=manager, now=NOW + timedelta(hours=1))
    assert not is_suppressed(ADDRESS)
    assert Suppression.objects.get().lifted_by == manager
    with pytest.raises(Refused, match="Nothing keeps"):
        lift_suppression(address=ADDRESS, because="Again", by=manager, now=NOW)


def test_what_was_lifted_does_not_come_back_with_an_old_report(ann: Contact) -> None:
    suppress_address(address=ADDRESS, reason="bounced", now=NOW)
    lift_suppression(address=ADDRESS, because="Works", by=make_user(Role.MANAGER), now=NOW + timedelta(hours=1))
    happens(ann, "email_bounced", at=NOW)
    assert not is_suppressed(ADDRESS)
    happens(ann, "email_bounced", at=NOW + timedelta(hours=2))
    assert is_suppressed(ADDRESS)


@pytest.mark.parametrize("reason", ["complained", "objected"])
def test_nobody_lifts_a_complaint_by_hand(reason: str) -> None:
    suppress_address(address=ADDRESS, reason=reason, now=NOW)
    with pytest.raises(NotLiftable):
        lift_suppression(address=ADDRESS, because="They told me so", by=make_user(Role.ADMIN), now=NOW)


# Over HTTP


class Api:
    def __init__(self, key: str) -> None:
        self.key = key

    def __call__(self, method: str, url: str, body: Any = None, status: int = 200) -> Any:
        answer = Client().generic(
            method,
            f"/api/v1/{url}",
            "" if body is None else json.dumps(body),
            content_type="application/json",
            headers={"authorization": f"Bearer {self.key}"},
        )
        assert answer.status_code == status, answer.content
        return answer.json()


@pytest.fixture
def api() -> Api:
    return Api(make_source()[1])


def test_consent_is_recorded_read_and_shown_with_the_contact(api: Api, ann: Contact) -> None:
    said = {"purpose": "newsletter", "action": "granted", "proof": "Signed the sheet at our stand", "message_id": "s1"}
    made = api("POST", f"contacts/{ann.pk}/consent/", said, 201)
    assert api("POST", f"contacts/{ann.pk}/consent/", said, 200)["entries"] == made["entries"]
    states = {row["purpose"]: row["state"] for row in made["purposes"]}
    assert states == {"newsletter": "granted", "marketing": "", "sales": "", "service": ""}
    (entry,) = made["entries"]
    assert entry["proof"] == {"how": "recorded", "text": "Signed the sheet at our stand"}
    (shown,) = api("GET", f"contacts/{ann.pk}/")["consent"]
    assert (shown["purpose"], shown["state"], shown["basis"]) == ("newsletter", "granted", "consent")
    assert made["preferences_url"].startswith("http")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"purpose": "x", "action": "granted", "proof": "p"}, "purpose"),
        ({"purpose": "newsletter", "action": "maybe", "proof": "p"}, "action"),
        ({"purpose": "newsletter", "action": "granted", "proof": " "}, "proof"),
        ({"purpose": "newsletter", "action": "granted"}, "proof"),
        ({"purpose": "newsletter", "action": "granted", "proof": "p", "at": "2200-01-01T00:00:00Z"}, "at"),
        ({"purpose": "newsletter", "action": "granted", "proof": "p", "basis": "mood"}, "basis"),
    ],
)
def test_what_cannot_be_recorded_says_why(api: Api, ann: Contact, body: dict[str, str], field: str) -> None:
    assert field in api("POST", f"contacts/{ann.pk}/consent/", body, 400)["fields"]
    assert not ConsentEntry.objects.exists()


def test_suppressing_by_the_api(api: Api, ann: Contact) -> None:
    grant(ann)
    api("POST", "suppressions/", {"email": "ANN@acme.example", "reason": "objected"}, 201)
    assert api("GET", "suppressions/") == {
        "total": 1,
        "by_reason": {"unsubscribed": 0, "complained": 0, "bounced": 0, "objected": 1, "by_hand": 0},
        "suppressed": None,
        "reason": None,
    }
    assert api("GET", f"suppressions/?email={ADDRESS}")["suppressed"] is True
    assert api("GET", "suppressions/?email=other@acme.example")["suppressed"] is False
    assert "email" in api("POST", "suppressions/", {"email": "nonsense"}, 400)["fields"]
    assert api("GET", f"contacts/{ann.pk}/")["consent"][0]["state"] == "withdrawn"
    said = {"purpose": "newsletter", "action": "granted", "proof": "p"}
    assert api("POST", f"contacts/{ann.pk}/consent/", said, 409)["code"] == "suppressed"


def test_the_link_to_the_preferences_is_only_for_who_may_write(ann: Contact) -> None:
    reader = Api(make_source(["contacts:read"])[1])
    found = reader("GET", f"contacts/{ann.pk}/consent/")
    assert (found["preferences_url"], found["unsubscribe_url"]) == (None, None)


def test_a_rep_records_consent_of_their_own_contacts_only(ann: Contact) -> None:
    rep = Api(make_token(make_user(Role.REP)))
    said = {"purpose": "newsletter", "action": "withdrawn", "proof": "Told me on the phone"}
    rep("POST", f"contacts/{ann.pk}/consent/", said, 403)
    marketer = Api(make_token(make_user(Role.MARKETER)))
    assert marketer("POST", f"contacts/{ann.pk}/consent/", said, 201)["entries"][0]["recorded_by"]


def test_lists_ask_for_consent_once(api: Api) -> None:
    def queries(count: int) -> int:
        for _ in range(count):
            grant(make_contact())
        with CaptureQueriesContext(connection) as captured:
            assert all(row["consent"] for row in api("GET", "contacts/")["results"])
        return len(captured)

    api("GET", "contacts/")
    assert queries(1) == queries(2)


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_two_who_refuse_at_once_leave_one_suppression_and_no_consent() -> None:
    ann = make_contact(email=ADDRESS)
    grant(ann, at=datetime.now(UTC) - timedelta(days=1))
    source = SourceFactory.create()
    outcomes = at_once(
        lambda number: (
            record(make_event("unsubscribed", contact={"email": ADDRESS}), source=source).accepted
            if number % 2
            else record_consent_late(ann)
        )
    )
    assert [
        outcome for outcome in outcomes if isinstance(outcome, Exception) and not isinstance(outcome, Refused)
    ] == []
    assert Suppression.objects.count() == 1
    assert "granted" not in states(ann).values()
    assert Event.objects.filter(kind__name="unsubscribed").count() == 4


def record_consent_late(ann: Contact) -> bool:
    """A grant that runs against the refusals: whichever is first, none survives."""
    moment = datetime.now(UTC) - timedelta(hours=1)
    return record_consent(
        contact_id=ann.pk, purpose="marketing", action="granted", proof={"text": "said so"}, at=moment, now=moment
    )
