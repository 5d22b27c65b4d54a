"""May we write to them now? Every reason on its own, in the API, on the page, and never for somebody else."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from contacts.enums import Role
from contacts.models import Contact, Mail, Purpose
from contacts.services.consent import record_consent
from contacts.services.consent_facts import suppress_address
from contacts.services.people import create_token
from funnel.calls_to_action import allows, class_of
from funnel.services.may_contact import Answer, may_contact
from scoring.selectors.definitions import published_definition
from tests.funnel.conftest import FITTING, World

ADDRESS = "ann@acme.example"


def ask(world: World, contact: Contact, purpose: str = "newsletter", call: str = "", **who: Any) -> Answer:
    return may_contact(contact_id=contact.pk, now=world.now, purpose=purpose, call_to_action=call, **who)


def codes(answer: Answer) -> list[str]:
    return [reason.code for reason in answer.reasons]


def say(world: World, contact: Contact, action: str = "granted", purpose: str = "newsletter") -> None:
    record_consent(
        contact_id=contact.pk, purpose=purpose, action=action, proof={"text": "said so"}, at=world.now, now=world.now
    )


def lead(world: World) -> Contact:
    contact = world.happens(ADDRESS, "form_submitted")
    world.settle()
    assert world.stage(contact) == "lead"
    return contact


def test_a_purpose_that_needs_consent_needs_it(world: World) -> None:
    contact = lead(world)
    assert (ask(world, contact).allowed, codes(ask(world, contact))) == (False, ["consent_missing"])
    say(world, contact)
    answer = ask(world, contact)
    assert (answer.allowed, codes(answer)) == (True, ["consent_given", "stage"])
    world.later(hours=1)
    say(world, contact, "withdrawn")
    assert codes(ask(world, contact)) == ["consent_withdrawn"]


def test_a_suppressed_address_is_written_to_for_nothing(world: World) -> None:
    contact = lead(world)
    say(world, contact)
    suppress_address(address=ADDRESS, reason="bounced", now=world.later(hours=1))
    for purpose in ("newsletter", "marketing", "sales", "service"):
        answer = ask(world, contact, purpose)
        assert (answer.allowed, answer.reasons[0].code) == (False, "suppressed")
    assert "does not exist" in ask(world, contact).reasons[0].message


def test_without_an_address_nobody_is_written_to(world: World) -> None:
    contact = lead(world)
    say(world, contact)
    Contact.objects.update(email="")
    assert codes(ask(world, contact)) == ["no_address"]


def test_sales_writes_once_it_has_claimed_and_only_the_rep(world: World) -> None:
    assert codes(ask(world, lead(world), "sales")) == ["stage_owner"]
    rep, other = world.person(), world.person(name="Rob Other")
    prospect = world.prospect("bob@acme.example")
    assert codes(ask(world, prospect, "sales")) == ["not_claimed"]
    world.claimed(rep, "cay@acme.example")
    claimed = Contact.objects.get(email="cay@acme.example")
    mine = ask(world, claimed, "sales", by=rep)
    assert (mine.allowed, codes(mine)) == (True, ["basis_legitimate_interest", "stage", "owner"])
    assert codes(ask(world, claimed, "sales", by=other)) == ["owned_by_another"]
    assert "Rhea Rep" in ask(world, claimed, "sales", by=other).reasons[0].message
    assert ask(world, claimed, "sales").allowed


def test_who_has_shown_no_interest_is_not_written_to_without_consent(world: World) -> None:
    contact = world.happens(ADDRESS, "list_imported")
    world.settle()
    assert world.stage(contact) == "audience"
    assert "stage_needs_consent" in codes(ask(world, contact, "sales"))
    say(world, contact)
    assert ask(world, contact).allowed


@pytest.mark.parametrize(
    ("call", "allowed"),
    [
        ("Download the guide", True),
        ("download the GUIDE", True),
        ("Read our case study", True),
        ("connect", True),
        ("Send a quote", False),
        ("pricing", False),
        ("See our prices", False),
        ("Book a demo", False),
        ("Dance with us", False),
    ],
)
def test_a_call_to_action_is_the_stages(world: World, call: str, allowed: bool) -> None:
    contact = lead(world)
    say(world, contact)
    answer = ask(world, contact, call=call)
    assert answer.allowed is allowed
    if not allowed:
        assert answer.reasons[0].code in {"call_to_action_not_for_stage", "call_to_action_unknown"}
    if call == "Send a quote":
        assert answer.reasons[0].message == (
            "“Send a quote” is for Sales prospect. Lead takes: Download the guide, Join the webinar, Connect with us."
        )


@pytest.mark.django_db
def test_each_stage_allows_what_it_lists_and_none_but_the_sales_prospect_a_price() -> None:
    _, document = published_definition()
    for stage in document.stages:
        assert all(allows(stage, call) for call in stage.calls_to_action)
    assert [stage.key for stage in document.stages if allows(stage, "pricing")] == ["sales_prospect"]
    assert class_of("Ask for a referral") == "referral"


def test_not_too_often(world: World) -> None:
    contact = lead(world)
    say(world, contact)
    for hours, properties in ((1, {"purpose": "newsletter"}), (2, {"purpose": "sales"}), (3, {})):
        world.happens(ADDRESS, "email_sent", at=world.now - timedelta(hours=hours), properties=properties)
    answer = ask(world, contact)
    assert (answer.allowed, codes(answer)) == (False, ["too_often"])
    assert "2 in 7 days" in answer.reasons[0].message
    world.later(days=8)
    assert ask(world, contact).allowed


def test_mails_of_our_own_count_too(world: World) -> None:
    contact = lead(world)
    say(world, contact)
    news = Purpose.objects.get(key="newsletter")
    for _ in range(2):
        Mail.objects.create(
            contact=contact, state="sent", subject="News", body="", purpose=news, due_at=world.now, sent_at=world.now
        )
    assert codes(ask(world, contact)) == ["too_often"]


def test_all_that_forbids_it_is_told(world: World) -> None:
    contact = lead(world)
    suppress_address(address=ADDRESS, reason="complained", now=world.now)
    assert codes(ask(world, contact, "marketing", "Send a quote")) == [
        "suppressed",
        "consent_missing",
        "call_to_action_not_for_stage",
    ]


def test_merged_and_erased_people_are_not_written_to(world: World) -> None:
    contact, winner = lead(world), world.happens("bob@acme.example", "page_viewed")
    Contact.objects.filter(pk=contact.pk).update(merged_into=winner)
    answer = ask(world, contact)
    assert codes(answer) == ["merged"]
    assert str(winner.pk) in answer.reasons[0].message
    Contact.objects.filter(pk=contact.pk).update(merged_into=None, erased_at=world.now)
    assert codes(ask(world, contact)) == ["erased"]


def test_the_number_of_queries_is_fixed(world: World) -> None:
    contact = lead(world)

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            ask(world, contact, "newsletter", "Book a demo")
        return len(captured)

    before = queries()
    for _ in range(3):
        world.later(minutes=1)
        say(world, contact)
        world.happens(ADDRESS, "email_sent")
    assert before <= queries() <= 8
    assert queries() <= before + 1  # the merges, once anything was said


def test_it_is_asked_over_http(world: World) -> None:
    contact = lead(world)
    person = world.person(Role.MARKETER, "Mira Marketer")
    client = Client(headers={"Authorization": f"Bearer {create_token(user=person, name='t', by=None).key}"})
    url = f"/api/v1/contacts/{contact.pk}/may-contact/"
    assert client.get(f"{url}?purpose=newsletter&call_to_action=Book+a+demo").json() == {
        "allowed": False,
        "purpose": "newsletter",
        "reasons": [
            {"code": "consent_missing", "message": "Newsletter needs consent, and none was given."},
            {
                "code": "call_to_action_not_for_stage",
                "message": "“Book a demo” is for Marketing prospect or Sales prospect. "
                "Lead takes: Download the guide, Join the webinar, Connect with us.",
            },
        ],
    }
    assert client.get(url).json()["purpose"] == "marketing"
    assert client.get(f"{url}?purpose=nothing").json()["code"] == "unknown_purpose"
    assert client.get(f"{url}?porpoise=x").status_code == 400
    assert client.get(f"{url}?call_to_action={'x' * 300}").status_code == 400
    assert client.get("/api/v1/contacts/999999999/may-contact/").status_code == 404
    assert client.get(f"/api/v1/contacts/{10**30}/may-contact/").status_code == 404


# On the pages


@pytest.fixture
def marketer(world: World) -> Client:
    client = Client()
    client.force_login(world.person(Role.MARKETER, "Mira Marketer"))
    return client


def test_every_page_of_a_contact_says_whether_we_may_write(world: World, marketer: Client) -> None:
    contact = lead(world)
    for path in ("", "why/", "journey/", "consent/"):
        text = marketer.get(f"/contacts/{contact.pk}/{path}").content.decode()
        assert "May we write?" in text
        assert "Newsletter needs consent, and none was given." in text


def test_what_they_said_is_recorded_by_hand_with_its_proof(world: World, marketer: Client) -> None:
    contact = world.happens(ADDRESS, "form_submitted", traits=FITTING)
    url = f"/contacts/{contact.pk}/consent/"
    said = {"purpose": "newsletter", "action": "granted", "at": "2026-11-20T10:00", "form_id": "once"}
    refused = marketer.post(url, {**said, "proof": ""})
    assert (refused.status_code, "This field is required" in refused.content.decode()) == (422, True)
    for _ in range(2):
        page = marketer.post(url, {**said, "proof": "Signed at our stand <b>"}, follow=True)
    assert "Signed at our stand &lt;b&gt;" in page.content.decode()
    assert "Recorded by Mira Marketer" in page.content.decode()
    assert contact.consent_entries.count() == 1
    suppress_address(address=ADDRESS, now=world.now)
    page = marketer.post(url, {**said, "proof": "Again", "form_id": "twice"})
    assert (page.status_code, "nothing can be granted" in page.content.decode()) == (422, True)


def test_a_rep_who_does_not_own_the_contact_only_reads(world: World) -> None:
    contact = lead(world)
    client = Client()
    client.force_login(world.person())
    assert "Record what they said" not in client.get(f"/contacts/{contact.pk}/consent/").content.decode()
    said = {"purpose": "newsletter", "action": "withdrawn", "at": "2026-11-20T10:00", "proof": "x"}
    assert client.post(f"/contacts/{contact.pk}/consent/", said).status_code == 403


def test_what_rests_on_a_contract_needs_one(world: World) -> None:
    contact = lead(world)
    assert codes(ask(world, contact, "service")) == ["no_contract"]
    world.happens(ADDRESS, "purchased")
    world.settle()
    answer = ask(world, contact, "service")
    assert (answer.allowed, codes(answer)[0]) == (True, "basis_contract")
