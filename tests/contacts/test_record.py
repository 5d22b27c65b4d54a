"""record_events: the one way in."""

from datetime import UTC, datetime, timedelta

import pytest

from contacts.models import AttributeChange, Company, Contact, Due, Event, Identity, MergeSuggestion, Message
from tests.contacts.history import counting_changes
from tests.factories import SourceFactory, make_event, make_source, record

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def at(days: float) -> str:
    return (NOW - timedelta(days=days)).isoformat()


def test_an_event_makes_a_contact_and_queues_it() -> None:
    receipt = record(
        make_event(
            "demo_requested", contact={"email": " Ann@Acme.COM "}, occurred_at=at(2), properties={"page": "/demo"}
        ),
        received_at=NOW,
    )
    assert (receipt.accepted, receipt.duplicates, receipt.rejected) == (1, 0, [])
    contact = Contact.objects.get()
    assert contact.email == "ann@acme.com"
    assert contact.company is not None
    assert contact.company.domain == "acme.com"
    assert contact.search_text == " ann acme com "
    event = Event.objects.get()
    assert (event.contact, event.origin_contact_id, event.kind.name) == (contact, contact.pk, "demo_requested")
    assert event.occurred_at == NOW - timedelta(days=2)
    assert event.properties == {"page": "/demo"}
    assert Due.objects.get().contact == contact
    assert Due.objects.get().occurred_at == event.occurred_at
    assert (contact.source_direction, contact.source_at) == ("inbound", event.occurred_at)


def test_the_same_message_again_changes_nothing() -> None:
    source = SourceFactory.create()
    event = make_event(traits={"job_title": "CTO"})
    record(event, source=source)
    before = list(Contact.objects.values())
    again = record(event, event, source=source)
    assert (again.accepted, again.duplicates, again.rejected) == (0, 2, [])
    assert list(Contact.objects.values()) == before
    assert Event.objects.count() == 1
    assert Due.objects.count() == 1


def test_the_same_id_with_another_body_is_a_conflict_and_the_first_wins() -> None:
    source = SourceFactory.create()
    event = make_event()
    record(event, source=source)
    receipt = record({**event, "properties": {"a": 1}}, source=source)
    assert [(r.code, r.field) for r in receipt.rejected] == [("conflict", "message_id")]
    assert Event.objects.get().properties == {}


ODD = [
    r"\N",
    r"\.",
    "a\tb",
    "a\nb",
    "a\r\nb",
    "a\\tb",
    'a"b',
    "{a,b}",
    "a','b",
    '","',
    "\\",
    "NULL",
    "\x1f\u2028\x85",
    "😀 ä",
]


@pytest.mark.parametrize("odd", ODD)
def test_odd_texts_are_kept_as_they_came_and_name_whom_they_named(odd: str) -> None:
    source = SourceFactory.create()
    event = make_event(
        message_id=f"m{odd}m",
        contact={"external_id": f"u{odd}u"},
        properties={"channel": f"c{odd}c", "text": odd, odd: [odd, {"deep": odd}]},
    )
    receipt = record(event, source=source)
    assert (receipt.accepted, receipt.rejected) == (1, [])
    stored = Event.objects.get()
    assert (stored.message_id, stored.channel, stored.properties) == (f"m{odd}m", f"c{odd}c", event["properties"])
    assert Identity.objects.get().value == f"u{odd}u"
    assert record(event, source=source).duplicates == 1
    known = make_event(contact=event["contact"])
    stranger = make_event(contact={"external_id": "u"})
    assert record(known, stranger, source=source).accepted == 2
    assert Contact.objects.get(identities__value=f"u{odd}u").events.count() == 2


def test_a_value_names_another_contact_as_another_sort_of_name() -> None:
    record(make_event(contact={"anonymous_id": "7"}))
    record(make_event(contact={"external_id": "7"}))
    assert Contact.objects.count() == 2
    record(make_event(contact={"external_id": "7"}), make_event(contact={"anonymous_id": "7"}))
    assert [contact.events.count() for contact in Contact.objects.all()] == [2, 2]


@pytest.mark.parametrize("earlier", [0.0, 1e-6, 3.0])
def test_only_what_happened_before_all_that_is_known_moves_a_beginning(earlier: float) -> None:
    who, first = {"email": "ann@acme.test"}, NOW - timedelta(days=5)
    record(make_event("page_viewed", contact=who, occurred_at=first.isoformat(), properties={"channel": "ads"}))
    at_or_before = (first - timedelta(seconds=earlier)).isoformat()
    later = make_event(contact=who, occurred_at=at(1), properties={"channel": "fair"})
    record(later, make_event(contact=who, occurred_at=at_or_before, message_id="~", properties={"channel": "search"}))
    contact = Contact.objects.get()
    assert contact.source_at == Identity.objects.get().seen_at == first - timedelta(seconds=earlier)
    if earlier:
        assert contact.source_channel == "search"


def test_two_sources_may_use_the_same_message_id() -> None:
    event = make_event(contact={"external_id": "u1"})
    record(event)
    record(event)
    assert Event.objects.count() == 2
    assert Contact.objects.count() == 1


def test_traits_become_columns_attributes_and_history() -> None:
    record(
        make_event(
            contact={"external_id": "u1"},
            traits={
                "first_name": "Ann",
                "last_name": "Lee",
                "job_title": "CTO",
                "means": "yes",
                "plan": {"tier": "gold"},
                "company": {"name": "Acme", "domain": "https://www.acme.com/about", "employees": "1,200"},
            },
        )
    )
    contact = Contact.objects.select_related("company").get()
    assert (contact.first_name, contact.last_name, contact.job_title, contact.means) == ("Ann", "Lee", "CTO", "yes")
    assert contact.attributes == {"plan": {"tier": "gold"}}
    company = contact.company
    assert company is not None
    assert (company.name, company.domain, company.employees) == ("Acme", "acme.com", 1200)
    assert contact.search_text == " ann lee acme "
    assert set(AttributeChange.objects.values_list("name", flat=True)) == {
        "first_name", "last_name", "job_title", "means", "attributes.plan", "company",
    }  # fmt: skip


def test_a_late_older_value_does_not_replace_a_newer_one() -> None:
    who = {"external_id": "u1"}
    record(make_event(contact=who, occurred_at=at(1), traits={"job_title": "CTO"}), received_at=NOW)
    record(make_event(contact=who, occurred_at=at(9), traits={"job_title": "Intern", "role": "it"}), received_at=NOW)
    contact = Contact.objects.get()
    assert (contact.job_title, contact.role) == ("CTO", "it")
    assert contact.source_at == NOW - timedelta(days=9)


def test_null_clears_an_attribute() -> None:
    who = {"external_id": "u1"}
    record(make_event(contact=who, occurred_at=at(2), traits={"role": "it", "plan": "gold", "means": "no"}))
    record(make_event(contact=who, occurred_at=at(1), traits={"role": None, "plan": None, "means": None}))
    contact = Contact.objects.get()
    assert (contact.role, contact.attributes, contact.means) == ("", {}, "unknown")


def test_an_anonymous_visitor_becomes_known() -> None:
    record(make_event("page_viewed", contact={"anonymous_id": "x"}))
    record(make_event("form_submitted", contact={"anonymous_id": "x", "email": "a@acme.com"}))
    contact = Contact.objects.get()
    assert contact.email == "a@acme.com"
    assert Event.objects.filter(contact=contact).count() == 2


def test_another_person_on_the_same_device_is_another_contact() -> None:
    record(make_event(contact={"anonymous_id": "x", "email": "a@acme.com"}))
    receipt = record(make_event(contact={"anonymous_id": "x", "email": "b@acme.com"}))
    assert Contact.objects.count() == 2
    assert MergeSuggestion.objects.count() == 1
    assert [warning.code for warning in receipt.warnings] == ["merge_pending"]


def test_two_known_contacts_are_suggested_not_joined() -> None:
    record(make_event(contact={"external_id": "u1"}), make_event(contact={"email": "a@acme.com"}))
    receipt = record(make_event(contact={"external_id": "u1", "email": "a@acme.com"}))
    assert Contact.objects.count() == 2
    strongest = Identity.objects.get(kind="external_id").contact_id
    assert receipt.contact_ids == {0: strongest}
    suggestion = MergeSuggestion.objects.get()
    assert {suggestion.contact_id, suggestion.other_id} == set(Contact.objects.values_list("pk", flat=True))


def test_a_company_named_against_its_domain_is_one_of_its_own() -> None:
    record(make_event(traits={"company": {"name": "Acme", "domain": "acme.com"}}))
    receipt = record(make_event(traits={"company": {"name": "Globex", "domain": "acme.com"}}))
    assert [warning.code for warning in receipt.warnings] == ["company_contradicts_domain"]
    assert set(Company.objects.filter(name__gt="").values_list("name", "domain")) == {
        ("Acme", "acme.com"),
        ("Globex", None),
    }


def test_a_company_known_by_name_gets_its_domain() -> None:
    record(make_event(traits={"company": "ACME  Corp"}))
    record(make_event(traits={"company": {"name": "Acme Corp", "domain": "acme.com"}}))
    assert list(Company.objects.values_list("normalised_name", "domain")) == [("acme corp", "acme.com")]


def test_what_is_learned_of_a_company_makes_its_people_due() -> None:
    record(make_event(contact={"email": "a@acme.com"}), make_event(contact={"email": "b@acme.com"}))
    Due.objects.all().delete()
    record(make_event(contact={"email": "c@acme.com"}, traits={"company": {"employees": 200}}))
    assert set(Due.objects.values_list("contact__email", flat=True)) == {"a@acme.com", "b@acme.com", "c@acme.com"}
    Due.objects.all().delete()
    record(make_event(contact={"email": "c@acme.com"}, traits={"company": {"employees": 200}}))
    assert set(Due.objects.values_list("contact__email", flat=True)) == {"c@acme.com"}


def test_free_mail_names_no_company() -> None:
    record(make_event(contact={"email": "a@gmail.com"}))
    assert not Company.objects.exists()


def test_a_company_somebody_stated_beats_the_address_whatever_the_order() -> None:
    who = {"external_id": "u1", "email": "a@acme.com"}
    stated = make_event(contact={"external_id": "u1"}, occurred_at=at(5), traits={"company": "Globex"})
    seen = make_event(contact=who, occurred_at=at(2))
    for first, second in ((stated, seen), (seen, stated)):
        Due.objects.all().delete()
        Event.objects.all().delete()
        Contact.objects.all().delete()
        record(first, received_at=NOW)
        record(second, received_at=NOW)
        contact = Contact.objects.select_related("company").get()
        assert contact.company is not None
        assert contact.company.name == "Globex"
        assert [one.value for one in counting_changes(contact) if one.name == "company"] == [contact.company.pk]


def test_details_confirmed_is_a_fact_and_an_attribute() -> None:
    record(make_event("details_confirmed"))
    assert Contact.objects.get().details_confirmed is True


def test_a_public_source_fills_but_never_overwrites() -> None:
    public, _ = make_source(kind="public")
    who = {"external_id": "u1"}
    record(make_event(contact=who, occurred_at=at(5), traits={"job_title": "CTO"}))
    receipt = record(
        make_event(contact=who, occurred_at=at(1), traits={"job_title": "Boss", "role": "it"}),
        make_event("purchased", contact=who),
        make_event("email_sent", contact=who),
        make_event("something_new", contact=who),
        make_event(contact=who, traits={"means": "yes"}),
        make_event(contact=who, traits={"company": {"name": "Acme", "employees": 5}}),
        source=public,
    )
    contact = Contact.objects.get()
    assert (contact.job_title, contact.role, contact.means) == ("CTO", "it", "unknown")
    assert receipt.accepted == 1
    assert [(r.index, r.code, r.field) for r in receipt.rejected] == [
        (1, "not_allowed", "kind"), (2, "not_allowed", "kind"), (3, "not_allowed", "kind"),
        (4, "not_allowed", "traits.means"), (5, "not_allowed", "traits.company.employees"),
    ]  # fmt: skip


def test_system_kinds_are_reserved() -> None:
    receipt = record(make_event("converted"))
    assert [(r.code, r.field) for r in receipt.rejected] == [("reserved_kind", "kind")]


def test_unknown_kinds_are_kept_up_to_a_number() -> None:
    source = SourceFactory.create()
    receipt = record(*[make_event(f"custom_{n}", contact={"external_id": "u1"}) for n in range(205)], source=source)
    assert receipt.accepted == 200
    assert {r.code for r in receipt.rejected} == {"too_many_kinds"}
    assert source.introduced_kinds.count() == 200


def test_a_dry_run_answers_the_same_and_writes_nothing() -> None:
    events = [make_event("custom", contact={"email": "a@acme.com"}), make_event(contact={"id": "999999"})]
    receipt = record(*events, dry_run=True)
    assert receipt.accepted == 1
    assert [(r.code, r.field) for r in receipt.rejected] == [("unknown_contact", "contact.id")]
    assert not Contact.objects.exists()
    assert not Due.objects.exists()


def test_strict_stores_all_or_nothing() -> None:
    receipt = record(make_event(), make_event(contact={"id": "999999"}), strict=True)
    assert receipt.accepted == 0
    assert not Event.objects.exists()
    assert not Message.objects.exists()
