"""Recording: the order, repetition and batching of messages does not show in what is known afterwards."""

import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contacts.enums import SourceKind
from contacts.ingest.native import read_events
from contacts.ingest.reading import read_json
from contacts.models import Company, CompanyChange, Contact, Due, Event, Identity, Source
from contacts.selectors.history import COUNTS
from contacts.services.record import record_events
from contacts.services.traits import restate_contacts
from tests.contacts.history import counting_changes
from tests.contacts.test_ingest_properties import native_payloads, values

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
within_one_test = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

traits = st.fixed_dictionaries(
    {},
    optional={
        "first_name": st.sampled_from(["Ann", "Bob", "", None]),
        "job_title": st.sampled_from(["CTO", "Intern", None]),
        "means": st.sampled_from(["yes", "no", None]),
        "details_confirmed": st.booleans(),
        "plan": st.sampled_from(["gold", {"a": [1]}, None, ""]),
        "company": st.sampled_from(
            [None, "Globex", {"name": "Acme", "employees": 5}, {"name": "Acme", "employees": 50, "country": "DE"}]
        ),
    },
)
public_traits = st.fixed_dictionaries(
    {},
    optional={
        "first_name": st.sampled_from(["Pam", "Pat", None]),
        "role": st.sampled_from(["it", "ops"]),
        "plan": st.sampled_from(["free", None]),
        "company": st.sampled_from(["Globex", "Acme"]),
    },
)


@st.composite
def messages(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Some messages of three people; each names its person by the id that all of theirs carry."""
    made = []
    for number in range(draw(st.integers(1, 9))):
        person = draw(st.integers(0, 2))
        public = draw(st.booleans())
        contact = {"external_id": f"u{person}"}
        # A public source adds no second address, so which one it adds would depend on the order.
        address = None if public else draw(st.sampled_from([None, "work.test", "home.test", "gmail.com"]))
        if address:
            contact["email"] = f"p{person}@{address}"
        if draw(st.booleans()):
            contact["anonymous_id"] = f"browser {person}"
        kind = draw(st.sampled_from(["page_viewed", "demo_requested", "details_confirmed", "email_sent", "custom"]))
        made.append(
            {
                "public": public,
                "message_id": f"message {number}",
                "kind": "page_viewed" if public else kind,
                "occurred_at": (NOW - timedelta(days=draw(st.integers(0, 4)))).isoformat(),
                "contact": contact,
                "traits": draw(public_traits if public else traits),
                "properties": {"number": number, "channel": draw(st.sampled_from(["ads", "web"]))},
            }
        )
    return made


def send(batches: list[list[dict[str, Any]]]) -> None:
    server = Source.objects.create(name="server", kind=SourceKind.SERVER)
    public = Source.objects.create(name="public", kind=SourceKind.PUBLIC)
    for batch in batches:
        for source in (server, public):
            payloads = [
                {key: value for key, value in message.items() if key != "public"}
                for message in batch
                if message["public"] == (source is public)
            ]
            if payloads:
                read = read_events({"events": payloads}, received_at=NOW)
                receipt = record_events(source=source, events=read.events, rejected=read.rejected, received_at=NOW)
                assert receipt.rejected == []


def known() -> dict[str, Any]:
    """Everything that is known, with names in place of ids."""
    people = dict(Identity.objects.filter(kind="external_id").values_list("contact_id", "value"))
    companies = {
        company.pk: company.name or company.domain for company in Company.objects.exclude(name="", domain=None)
    }
    sources = dict(Source.objects.values_list("pk", "name"))

    def named(name: str, value: Any) -> Any:
        return companies[value] if name == "company" and value is not None else value

    left_out = {"id", "company_id", "created_at", "updated_at"}
    columns = [field.attname for field in Contact._meta.concrete_fields if field.attname not in left_out]
    named_companies = Company.objects.filter(name__gt="")
    return {
        "contacts": {
            people[contact.pk]: [named("company", contact.company_id), *(getattr(contact, name) for name in columns)]
            for contact in Contact.objects.all()
        },
        "identities": {(i.kind, i.value, people[i.contact_id]) for i in Identity.objects.all()},
        "history": {
            (people[c.contact_id], c.name, json.dumps(named(c.name, c.value)), c.effective_at, c.message)
            for contact in Contact.objects.all()
            for c in counting_changes(contact)
        },
        "companies": set(named_companies.values_list("name", "normalised_name", "domain", "employees", "country")),
        "company history": {
            (companies[c.company_id], c.name, json.dumps(c.value), c.effective_at) for c in CompanyChange.objects.all()
        },
        "events": {
            (people[e.contact_id], e.kind.name, e.occurred_at, e.message_id, sources[e.source_id], str(e.properties))
            for e in Event.objects.select_related("kind")
        },
        "due": set(Due.objects.values_list("contact", flat=True)) == set(people),
    }


def outcome(batches: list[list[dict[str, Any]]]) -> dict[str, Any]:
    with transaction.atomic():
        # Dedupe ids derive from the source's id, so both runs need sources of the same ids.
        with connection.cursor() as cursor:
            cursor.execute("SELECT setval(pg_get_serial_sequence('contacts_source', 'id'), 1000000)")
        send(batches)
        found = known()
        transaction.set_rollback(True)
    return found


@within_one_test
@given(st.data(), messages())
def test_order_repetition_and_batching_do_not_show(data: st.DataObject, all_messages: list[dict[str, Any]]) -> None:
    shuffled = data.draw(st.permutations(all_messages))
    repeated = shuffled + data.draw(st.lists(st.sampled_from(all_messages), max_size=4))
    batches: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for message in repeated:
        batches[data.draw(st.integers(0, 3))].append(message)
    one_by_one = outcome([[message] for message in all_messages])
    otherwise = outcome(list(batches.values()))
    assert otherwise == one_by_one
    assert one_by_one["due"]


@within_one_test
@given(messages())
def test_columns_are_the_values_in_force(all_messages: list[dict[str, Any]]) -> None:
    with transaction.atomic():
        send([all_messages])
        for contact in Contact.objects.all():
            in_force = {change.name: change.value for change in counting_changes(contact) if change.effective_at <= NOW}
            company = in_force.pop("company", None)
            free = {name: value for name, value in in_force.items() if name.startswith("attributes.")}
            assert contact.company_id == company
            assert contact.attributes == {
                name.removeprefix("attributes."): value for name, value in free.items() if value is not None
            }
            for name in in_force.keys() - free.keys():
                empty = {"means": "unknown", "details_confirmed": False}.get(name, "")
                assert getattr(contact, name) == (empty if in_force[name] is None else in_force[name])
        for company_row in Company.objects.all():
            latest = {c.name: c.value for c in company_row.changes.order_by("effective_at", "message")}
            assert latest.get("employees") == company_row.employees
        transaction.set_rollback(True)


@within_one_test
@given(messages())
def test_what_counts_is_the_same_wherever_it_is_read(all_messages: list[dict[str, Any]]) -> None:
    with transaction.atomic():
        send([all_messages])
        counting = {change.pk for contact in Contact.objects.all() for change in counting_changes(contact)}
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT o.id FROM contacts_attributechange o WHERE {COUNTS}")
            assert {number for (number,) in cursor.fetchall()} == counting
            before = list(Contact.objects.order_by("pk").values())
            Contact.objects.update(
                email="x",
                phone="x",
                means="no",
                details_confirmed=True,
                attributes={"x": 1},
                company=None,
                search_text="x",
            )
            restate_contacts(cursor, contact_ids=[row["id"] for row in before], now=NOW)
        for row, restated in zip(before, Contact.objects.order_by("pk").values(), strict=True):
            assert restated == {**row, "updated_at": NOW}
        transaction.set_rollback(True)


@within_one_test
@given(st.lists(native_payloads | values, max_size=4))
def test_whatever_is_read_as_good_can_be_stored(payloads: list[Any]) -> None:
    read = read_events(read_json(json.dumps({"events": payloads}).encode()), received_at=NOW)
    with transaction.atomic():
        source = Source.objects.create(name="any")
        receipt = record_events(source=source, events=read.events, rejected=read.rejected, received_at=NOW)
        assert receipt.accepted + receipt.duplicates + len(receipt.rejected) == len(payloads)
        assert Event.objects.count() == receipt.accepted
        transaction.set_rollback(True)
