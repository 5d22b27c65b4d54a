"""Every cell of the `default` column of PRODUCT.md's table "the same signal, six verdicts", through the API."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from contacts.models import Contact, Due, Event
from scoring.services.evaluate import drain_due
from tests.factories import make_event, make_source

pytestmark = pytest.mark.django_db

FITS: dict[str, Any] = {
    "job_title": "Head of Operations",
    "company": {"name": "Two Hundred Software", "industry": "software", "employees": 200},
    "means": "yes",
    "authority": "yes",
    "details_confirmed": True,
}
DOES_NOT_FIT = {**FITS, "job_title": "Consultant", "company": {"name": "Hobby club", "employees": 12}}
NAMED = {"with": "Rhea Rep"}

CELLS: list[tuple[str, str, dict[str, Any], dict[str, Any], str]] = [
    ("purchased list import", "list_imported", FITS, {}, "audience"),
    ("cold e-mail sent by us", "email_sent", FITS, {}, "audience"),
    ("newsletter sign-up", "newsletter_subscribed", FITS, {}, "lead"),
    ("web contact form", "form_submitted", FITS, {}, "lead"),
    ("asset download", "asset_downloaded", FITS, {}, "lead"),
    ("event registration", "event_registered", FITS, {}, "lead"),
    ("blog comment", "blog_commented", FITS, {}, "lead"),
    ("like", "social_liked", FITS, {}, "lead"),
    ("share", "social_shared", FITS, {}, "lead"),
    ("click in our e-mail (human)", "email_clicked", FITS, {}, "lead"),
    ("question about the product on social media", "social_question", FITS, {}, "marketing_prospect"),
    ("trade-show conversation, fits", "trade_show_conversation", FITS, {}, "sales_prospect"),
    ("trade-show conversation, does not fit", "trade_show_conversation", DOES_NOT_FIT, {}, "marketing_prospect"),
    ("answers our e-mail, named individual", "email_replied", FITS, NAMED, "sales_prospect"),
    ("talks on the phone, named individual", "call_connected", FITS, NAMED, "sales_prospect"),
    ("demo request", "demo_requested", FITS, {}, "sales_prospect"),
    ("demo request, means = no", "demo_requested", {**FITS, "means": "no"}, {}, "marketing_prospect"),
    (
        "demo request, C-level title, authority = no",
        "demo_requested",
        {**FITS, "job_title": "Chief Operating Officer", "authority": "no"},
        {},
        "marketing_prospect",
    ),
    ("purchase", "purchased", FITS, {}, "customer"),
]


class Api:
    """A source's view of Ripen: it posts events and asks where the contact stands."""

    def __init__(self, client: Client) -> None:
        _, self.key = make_source()
        self.client = client
        self.headers = {"Authorization": f"Bearer {self.key}"}

    def post(self, *events: dict[str, Any]) -> None:
        answer = self.client.post(
            "/api/v1/events/",
            json.dumps({"events": list(events)}),
            content_type="application/json",
            headers=self.headers,
        )
        assert answer.status_code == 200, answer.content
        receipt = answer.json()
        assert (receipt["accepted"], receipt["duplicates"], receipt["rejected"]) == (len(events), 0, [])
        drain_due(now=timezone.now())

    def why(self, email: str) -> dict[str, Any]:
        contact = Contact.objects.get(email=email)
        answer = self.client.get(f"/api/v1/contacts/{contact.pk}/why/", headers=self.headers)
        assert answer.status_code == 200, answer.content
        told: dict[str, Any] = answer.json()
        assert told["stage"]["key"] == contact.standing.stage
        return told


@pytest.fixture
def api(client: Client, db: None) -> Api:
    return Api(client)


@pytest.mark.parametrize(
    ("kind", "traits", "properties", "stage"), [cell[1:] for cell in CELLS], ids=[cell[0] for cell in CELLS]
)
def test_the_signal_puts_a_fresh_contact_at_the_stage(
    api: Api, kind: str, traits: dict[str, Any], properties: dict[str, Any], stage: str
) -> None:
    contact = {"email": "fresh@twohundred.test"}
    api.post(make_event(kind, contact=contact, traits=traits, properties=properties))
    why = api.why("fresh@twohundred.test")
    assert why["stage"]["key"] == stage
    assert why["sentence"]
    assert sum(round(line["points"] * 1000) for line in why["ledger"]) == round(why["scores"]["engagement"] * 1000)


def test_attributes_that_arrive_in_another_message_count_just_the_same(api: Api) -> None:
    contact = {"email": "late@twohundred.test"}
    api.post(make_event("demo_requested", contact=contact))
    assert api.why("late@twohundred.test")["stage"]["key"] == "marketing_prospect"
    api.post(make_event("email_opened", contact=contact, traits=FITS))
    assert api.why("late@twohundred.test")["stage"]["key"] == "sales_prospect"


def test_a_click_of_a_scanner_does_not_count(api: Api) -> None:
    api.post(make_event("email_clicked", contact={"email": "robot@twohundred.test"}, traits=FITS))
    contact = Contact.objects.get()
    assert contact.standing.stage == "lead"
    Event.objects.update(suspect_reason="clicked within a second of delivery")
    Due.objects.create(contact=contact, occurred_at=Event.objects.get().occurred_at)
    drain_due(now=timezone.now())
    why = api.why("robot@twohundred.test")
    assert (why["stage"]["key"], why["stage"]["furthest"], why["ledger"]) == ("audience", "audience", [])


@pytest.mark.parametrize("properties", [{}, {"with": None}, {"with": "  "}])
@pytest.mark.parametrize("kind", ["email_replied", "call_connected", "meeting_held", "chat_started"])
def test_dialogue_with_nobody_named_is_no_dialogue_of_two(api: Api, kind: str, properties: dict[str, Any]) -> None:
    api.post(make_event(kind, contact={"email": "vague@twohundred.test"}, traits=FITS, properties=properties))
    assert api.why("vague@twohundred.test")["stage"]["key"] == "marketing_prospect"


def test_a_contact_that_we_found_becomes_a_lead_only_with_confirmed_details(api: Api) -> None:
    contact = {"email": "found@twohundred.test"}
    unconfirmed = {name: value for name, value in FITS.items() if name != "details_confirmed"}
    long_ago = datetime(2026, 1, 1, tzinfo=UTC).isoformat()
    api.post(make_event("list_imported", contact=contact, traits=unconfirmed, occurred_at=long_ago))
    api.post(make_event("newsletter_subscribed", contact=contact))
    assert api.why("found@twohundred.test")["stage"]["key"] == "audience"
    api.post(make_event("details_confirmed", contact=contact))
    assert api.why("found@twohundred.test")["stage"]["key"] == "lead"
