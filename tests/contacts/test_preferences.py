"""What people decide themselves by the link in a mail: preferences, and unsubscribing in one click, never by a GET."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from config.redaction import redact
from contacts.enums import Role
from contacts.models import ConsentEntry, Contact, Event, Identity, Suppression
from contacts.services.consent import consents_of, record_consent
from contacts.services.consent_facts import suppress_address
from contacts.services.preferences import preferences_url, sign_link, unsubscribe_url
from contacts.services.suppression import is_suppressed, suppressed_among
from tests.contacts.test_record_races import at_once
from tests.factories import make_contact, make_event, make_user, record

pytestmark = pytest.mark.django_db

ADDRESS = "ann@acme.example"
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


def agreed(email: str = ADDRESS, **traits: str) -> Contact:
    contact = make_contact(email=email, **traits)
    then = datetime.now(UTC) - timedelta(days=1)
    for purpose in ("newsletter", "marketing"):
        record_consent(
            contact_id=contact.pk, purpose=purpose, action="granted", proof={"text": "yes"}, at=then, now=then
        )
    return contact


@pytest.fixture
def ann() -> Contact:
    return agreed()


def path(contact: Contact, page: str = "preferences", address: str = ADDRESS) -> str:
    return f"/{page}/{sign_link(contact.pk, address)}/"


def held(contact: Contact) -> set[str]:
    contact.refresh_from_db()
    return {row["purpose"] for row in consents_of([contact])[contact.pk].rows() if row["state"] == "granted"}


def test_one_click_unsubscribes_without_cookie_or_token(ann: Contact) -> None:
    client = Client(enforce_csrf_checks=True)
    answer = client.post(path(ann, "unsubscribe"), ONE_CLICK)
    assert (answer.status_code, "You are unsubscribed" in answer.content.decode()) == (200, True)
    assert not client.cookies
    assert (held(ann), is_suppressed(ADDRESS)) == (set(), True)
    event = Event.objects.get(kind__name="unsubscribed")
    assert event.properties == {"how": "one-click"}


def test_following_the_link_does_nothing(ann: Contact) -> None:
    for page in ("unsubscribe", "preferences"):
        shown = Client().get(path(ann, page))
        assert shown.status_code == 200
        assert shown["Referrer-Policy"] == "no-referrer"
        assert "no-store" in shown["Cache-Control"]
    assert held(ann) == {"newsletter", "marketing"}


def test_doing_it_again_says_nothing_new(ann: Contact) -> None:
    for _ in range(3):
        Client().post(path(ann, "unsubscribe"), ONE_CLICK)
    assert Event.objects.filter(kind__name="unsubscribed").count() == 1


def test_one_purpose_can_go_and_come_back(ann: Contact) -> None:
    # What is left out is switched off; personal contact rests on no consent, so it is on until somebody objects.
    Client().post(path(ann), {"do": "save", "purpose": ["newsletter", "sales"]})
    assert (held(ann), is_suppressed(ADDRESS)) == ({"newsletter"}, False)
    page = Client().post(path(ann), {"do": "save", "purpose": ["newsletter", "marketing", "sales"]}, follow=True)
    assert "Saved." in page.content.decode()
    assert held(ann) == {"newsletter", "marketing"}
    proof = ConsentEntry.objects.filter(action="granted").latest("id").proof
    assert proof["how"] == "preference page"
    assert proof["text"].startswith("Offers and invitations")


def test_saving_what_is_says_nothing(ann: Contact) -> None:
    before = ConsentEntry.objects.count()
    Client().post(path(ann), {"do": "save", "purpose": ["newsletter", "marketing", "sales", "service", "nonsense"]})
    assert (ConsentEntry.objects.count(), Event.objects.filter(kind__name="unsubscribed").count()) == (before, 0)


def test_who_left_altogether_comes_back_by_their_own_switch(ann: Contact) -> None:
    Client().post(path(ann), {"do": "none"})
    assert is_suppressed(ADDRESS)
    assert "checked" not in Client().get(path(ann)).content.decode()
    Client().post(path(ann), {"do": "save", "purpose": ["newsletter"]})
    assert (held(ann), is_suppressed(ADDRESS)) == ({"newsletter"}, False)
    assert Suppression.objects.get().lifted_because.startswith("by the person")


@pytest.mark.parametrize("reason", ["complained", "bounced", "by_hand"])
def test_a_switch_does_not_undo_what_is_not_the_persons_own_word(ann: Contact, reason: str) -> None:
    suppress_address(address=ADDRESS, reason=reason, now=datetime.now(UTC))
    page = Client().post(path(ann), {"do": "save", "purpose": ["newsletter"]})
    assert (page.status_code, "Nothing is sent to this address" in page.content.decode()) == (409, True)
    assert suppressed_among([ADDRESS])[ADDRESS].reason == reason
    assert held(ann) == set()


def test_the_link_of_an_old_address_suppresses_that_address(ann: Contact) -> None:
    record(make_event(contact={"external_id": "u", "email": ADDRESS}))
    record(make_event(contact={"external_id": "u", "email": "ann@new.example"}))
    Client().post(path(ann, "unsubscribe"), ONE_CLICK)
    assert (is_suppressed(ADDRESS), is_suppressed("ann@new.example"), held(ann)) == (True, False, set())


def test_a_link_leads_on_after_a_merge_and_is_dead_after_an_erasure(ann: Contact) -> None:
    winner = agreed("bob@acme.example")
    Identity.objects.filter(contact=ann).update(contact=winner, origin_contact_id=ann.pk)
    Contact.objects.filter(pk=ann.pk).update(merged_into=winner)
    assert ADDRESS in Client().get(path(ann)).content.decode()
    Client().post(path(ann, "unsubscribe"), ONE_CLICK)
    assert held(winner) == set()
    Contact.objects.filter(pk=winner.pk).update(erased_at=datetime.now(UTC))
    assert Client().get(path(ann)).status_code == 404
    assert Client().post(path(ann, "unsubscribe"), ONE_CLICK).status_code == 404


@pytest.mark.parametrize("signed", ["x", "WzEsIngiXQ:x", "a:b:c", "%00", "é", "x" * 3_000])
def test_a_link_that_is_none_of_ours_leads_nowhere(ann: Contact, signed: str) -> None:
    for page in ("preferences", "unsubscribe"):
        assert Client().get(f"/{page}/{signed}/").status_code == 404
        assert Client().post(f"/{page}/{signed}/", ONE_CLICK).status_code == 404


def test_a_link_signed_for_another_use_is_no_key_here(ann: Contact) -> None:
    stolen = sign_link(ann.pk, "somebody@else.example")
    assert Client().get(f"/preferences/{stolen}/").status_code == 404


def test_the_links_do_not_get_into_the_logs(ann: Contact) -> None:
    for page in ("preferences", "unsubscribe"):
        assert redact(f"GET {path(ann, page)} HTTP/1.1") == f"GET /{page}/[link]/ HTTP/1.1"
    assert redact("/confirm/WzFd:x-y_z/?a=b") == "/confirm/[link]/?[query]"


def test_the_addresses_are_whole(ann: Contact) -> None:
    for url, page in (
        (preferences_url(ann.pk, ADDRESS), "preferences"),
        (unsubscribe_url(ann.pk, ADDRESS), "unsubscribe"),
    ):
        assert url.endswith(path(ann, page))
        assert url.startswith("http")


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_two_clicks_at_once_leave_one_suppression_and_no_consent() -> None:
    ann = agreed()
    outcomes = at_once(lambda number: Client().post(path(ann, "unsubscribe"), ONE_CLICK).status_code)
    assert set(outcomes) == {200}
    assert (Suppression.objects.count(), held(ann)) == (1, set())


# For people of ours


def test_an_address_is_looked_up_added_and_lifted_on_a_page(ann: Contact) -> None:
    client = Client()
    client.force_login(make_user(Role.MANAGER))
    page = client.post("/suppressions/", {"do": "suppress", "email": ADDRESS.upper(), "reason": "bounced"}, follow=True)
    assert "Nothing is sent to this address any more." in page.content.decode()
    found = client.post("/suppressions/", {"do": "look", "email": ADDRESS}).content.decode()
    assert ("The address does not exist" in found, "Let mail through again" in found) == (True, True)
    page = client.post("/suppressions/lift/", {"email": ADDRESS, "because": "New mailbox"}, follow=True)
    assert "Mail may be sent there again" in page.content.decode()
    assert "not suppressed" in client.post("/suppressions/", {"do": "look", "email": ADDRESS}).content.decode()
    assert client.post("/suppressions/", {"do": "look", "email": "nonsense"}).status_code == 422
    assert client.post("/suppressions/", {"do": "suppress", "email": ""}).status_code == 422


def test_a_marketer_adds_and_does_not_lift(ann: Contact) -> None:
    suppress_address(address=ADDRESS, reason="bounced", now=datetime.now(UTC))
    client = Client()
    client.force_login(make_user(Role.MARKETER))
    found = client.post("/suppressions/", {"do": "look", "email": ADDRESS}).content.decode()
    assert "Let mail through again" not in found
    assert client.post("/suppressions/lift/", {"email": ADDRESS, "because": "Please"}).status_code == 403
    assert is_suppressed(ADDRESS)
