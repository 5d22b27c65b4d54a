"""Lead-capture forms: what people fill in, what machines fill in, and the word that a mailbox gives."""

import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import hypothesis.strategies as st
import pytest
import time_machine
from django.core import mail
from django.test import Client
from hypothesis import HealthCheck, given, settings

from contacts.enums import Role, SourceKind
from contacts.models import ConsentEntry, Contact, Event, Form, FormSubmission, Mail, Purpose
from contacts.services.consent import consents_of
from contacts.services.consent_facts import suppress_address
from contacts.services.forms import FormPlan, create_form, save_form
from contacts.services.mailing import send_mails
from contacts.services.suppression import is_suppressed
from tests.factories import SourceFactory, make_contact, make_user

pytestmark = pytest.mark.django_db

ADDRESS = "ann@acme.example"
ANSWERS = {"email": "Ann@Acme.example", "first_name": "Ann", "company": "Acme", "consent": "on"}


@pytest.fixture
def form() -> Form:
    return make_form()


def make_form(**plan: Any) -> Form:
    admin = make_user(Role.ADMIN)
    made = create_form(source=SourceFactory.create(channel="website"), name="Newsletter", by=admin)
    given_plan = {
        "name": made.name,
        "title": "Our newsletter",
        "kind": "newsletter_subscribed",
        "fields": made.fields,
        "purpose": Purpose.objects.get(key="newsletter"),
        "consent_text": "Yes, send me the newsletter.",
        **plan,
    }
    return save_form(form=made, plan=FormPlan(**given_plan), by=admin)


def somebody() -> Client:
    """A visitor from a network of their own: tests of other workers count elsewhere."""
    return Client(REMOTE_ADDR=f"2001:db8::{uuid.uuid4().hex[:4]}:{uuid.uuid4().hex[:4]}")


def fill_in(form: Form, visitor: Client | None = None, /, **answers: str) -> Any:
    return (visitor or somebody()).post(f"/f/{form.token}/", answers or ANSWERS)


def confirm_link() -> str:
    """The link of the one mail that was sent."""
    send_mails(now=datetime.now(UTC) + timedelta(seconds=5))
    (message,) = mail.outbox
    found = re.search(r"https?://[^/]+(/confirm/\S+)", str(message.body))
    assert found is not None
    return found[1]


def granted(contact: Contact) -> list[str]:
    contact.refresh_from_db()
    return [row["purpose"] for row in consents_of([contact])[contact.pk].rows() if row["state"] == "granted"]


def test_the_form_asks_for_what_it_was_told_to(form: Form) -> None:
    page = Client().get(f"/f/{form.token}/")
    text = page.content.decode()
    for words in ("Our newsletter", "E-mail", "First name", "Company", "Yes, send me the newsletter."):
        assert words in text
    assert "script" not in text
    assert not page.cookies


def test_filling_it_in_records_the_fact_and_asks_to_confirm(form: Form) -> None:
    answer = fill_in(form)
    assert (answer.status_code, answer["Location"]) == (303, f"/f/{form.token}/thanks/?confirm")
    contact = Contact.objects.get(email=ADDRESS)
    assert (contact.first_name, contact.company and contact.company.name) == ("Ann", "Acme")
    assert contact.source_channel == "website"
    event = Event.objects.get(contact=contact)
    assert (event.kind.name, event.properties["consent"]) == ("newsletter_subscribed", True)
    assert granted(contact) == []
    assert "sent you a mail" in Client().get(answer["Location"]).content.decode()


def test_only_the_confirmed_address_has_agreed(form: Form) -> None:
    fill_in(form)
    link = confirm_link()
    contact = Contact.objects.get(email=ADDRESS)
    shown = Client().get(link).content.decode()
    assert "Yes, send me the newsletter." in shown
    assert granted(contact) == [], "a scanner that follows the link confirms nothing"
    assert "Confirmed" in Client().post(link).content.decode()
    assert granted(contact) == ["newsletter"]
    contact.refresh_from_db()
    assert contact.details_confirmed
    proof = ConsentEntry.objects.get().proof
    assert (proof["text"], proof["version"], proof["confirmed"]) == (
        "Yes, send me the newsletter.",
        "1",
        "double opt-in",
    )
    Client().post(link)
    assert ConsentEntry.objects.count() == 1
    assert Event.objects.filter(kind__name="details_confirmed").count() == 1


def test_the_mail_keeps_no_address_once_it_is_sent(form: Form) -> None:
    fill_in(form)
    confirm_link()
    sent = Mail.objects.get()
    assert (sent.state, sent.address, sent.body, sent.headers) == ("sent", "", "", {})
    assert mail.outbox[0].to == [ADDRESS]
    assert "List-Unsubscribe" not in mail.outbox[0].extra_headers


def test_without_the_tick_nothing_is_granted(form: Form) -> None:
    fill_in(form, email=ADDRESS)
    Client().post(confirm_link())
    contact = Contact.objects.get(email=ADDRESS)
    assert (granted(contact), contact.details_confirmed) == ([], True)


def test_a_form_may_go_without_the_mail() -> None:
    form = make_form(double_opt_in=False)
    answer = fill_in(form)
    assert answer["Location"] == f"/f/{form.token}/thanks/"
    assert not Mail.objects.exists()
    assert granted(Contact.objects.get(email=ADDRESS)) == ["newsletter"]


def test_sending_it_twice_is_one_filling_in(form: Form) -> None:
    with time_machine.travel(datetime.now(UTC), tick=False) as clock:
        page = Client().get(f"/f/{form.token}/").content.decode()
        stamp = re.search(r'name="form_stamp" value="([^"]+)"', page)
        assert stamp is not None
        clock.shift(timedelta(seconds=20))
        for _ in range(2):
            assert fill_in(form, **ANSWERS, form_stamp=stamp[1]).status_code == 303
        assert (FormSubmission.objects.count(), Event.objects.count(), Mail.objects.count()) == (1, 1, 1)
        # Another answer under the same page is another filling-in.
        fill_in(form, **{**ANSWERS, "first_name": "Anna"}, form_stamp=stamp[1])
        assert FormSubmission.objects.count() == 2


def test_machines_get_a_friendly_answer_and_leave_nothing_but_a_count(form: Form) -> None:
    answer = fill_in(form, **ANSWERS, extra_note="buy pills")
    assert answer["Location"] == f"/f/{form.token}/thanks/"
    with time_machine.travel(datetime.now(UTC), tick=False):
        page = Client().get(f"/f/{form.token}/").content.decode()
        stamp = re.search(r'name="form_stamp" value="([^"]+)"', page)
        assert stamp is not None
        fill_in(form, **ANSWERS, form_stamp=stamp[1])
    form.refresh_from_db()
    assert form.bots == 2
    assert not Contact.objects.exists()
    assert not Mail.objects.exists()


def test_too_often_from_one_network_keeps_what_was_typed(form: Form) -> None:
    office = somebody()
    for number in range(10):
        assert fill_in(form, office, email=f"person{number}@acme.example").status_code == 303
    refused = fill_in(form, office)
    assert fill_in(form, email="elsewhere@acme.example").status_code == 303
    assert refused.status_code == 429
    assert "Ann@Acme.example" in refused.content.decode()
    assert Contact.objects.count() == 11


@pytest.mark.parametrize(
    ("answers", "remark"),
    [
        ({"first_name": "Ann"}, "Please tell us your e-mail address."),
        ({"email": "ann@", "first_name": "Ann"}, "Please check this address"),
        ({"email": ADDRESS, "first_name": "Ann", "company": "x" * 300}, "at most 255 characters"),
        ({"email": ADDRESS, "first_name": "Ann\0"}, "Null characters"),
    ],
)
def test_an_error_stands_at_its_field_and_nothing_is_lost(form: Form, answers: dict[str, str], remark: str) -> None:
    page = fill_in(form, **answers)
    text = page.content.decode()
    assert page.status_code == 422
    assert remark in text
    assert 'value="Ann' in text
    assert 'aria-invalid="true"' in text
    assert not Contact.objects.exists()


def test_consent_that_is_needed_is_asked_for() -> None:
    form = make_form(consent_required=True)
    page = fill_in(form, email=ADDRESS)
    assert (page.status_code, "We need this to go on." in page.content.decode()) == (422, True)


def test_anybody_may_type_any_address_so_nothing_is_overwritten(form: Form) -> None:
    contact = make_contact(email=ADDRESS, first_name="Annabel", job_title="Head")
    form.source.kind = SourceKind.SERVER
    form.source.save()
    fill_in(form, email=ADDRESS, first_name="Evil", company="Evil Corp")
    contact.refresh_from_db()
    assert (contact.first_name, contact.job_title) == ("Annabel", "Head")


def test_an_address_gets_three_mails_a_day_at_most(form: Form) -> None:
    for number in range(5):
        answer = fill_in(form, **{**ANSWERS, "first_name": f"Ann {number}"})
        assert answer["Location"].endswith("?confirm"), "a stranger learns nothing about the address"
    assert Mail.objects.count() == 3


@pytest.mark.parametrize(("reason", "mails"), [("unsubscribed", 1), ("objected", 1), ("complained", 0), ("bounced", 0)])
def test_who_had_unsubscribed_comes_back_by_their_own_word_only(form: Form, reason: str, mails: int) -> None:
    contact = make_contact(email=ADDRESS)
    suppress_address(address=ADDRESS, reason=reason, now=datetime.now(UTC) - timedelta(days=1))
    assert fill_in(form)["Location"].endswith("?confirm")
    assert Mail.objects.filter(state="waiting").count() == mails
    assert is_suppressed(ADDRESS)
    assert granted(contact) == []
    if mails:
        Client().post(confirm_link())
        assert not is_suppressed(ADDRESS)
        assert granted(contact) == ["newsletter"]


def test_single_opt_in_lifts_nothing() -> None:
    form = make_form(double_opt_in=False)
    contact = make_contact(email=ADDRESS)
    suppress_address(address=ADDRESS, reason="unsubscribed", now=datetime.now(UTC))
    assert fill_in(form).status_code == 303
    assert is_suppressed(ADDRESS)
    assert granted(contact) == []


def test_who_refuses_before_the_mail_goes_out_gets_none(form: Form) -> None:
    fill_in(form)
    suppress_address(address=ADDRESS, reason="complained", now=datetime.now(UTC))
    send_mails(now=datetime.now(UTC))
    assert (mail.outbox, Mail.objects.get().state) == ([], "dropped")


def test_a_link_is_good_for_thirty_days(form: Form) -> None:
    fill_in(form)
    link = confirm_link()
    with time_machine.travel(datetime.now(UTC) + timedelta(days=31)):
        assert Client().post(link).status_code == 410
    assert Client().post(f"{link[:-4]}xxx/").status_code == 404


def test_a_closed_form_and_none_at_all(form: Form) -> None:
    Form.objects.update(is_open=False)
    assert fill_in(form).status_code == 410
    assert Client().get("/f/nothing-here/").status_code == 404
    assert not Contact.objects.exists()


def test_a_form_with_sites_takes_nothing_from_elsewhere() -> None:
    form = make_form(allowed_origins=["https://www.acme.example"])

    def status(**headers: str) -> int:
        answer: int = somebody().post(f"/f/{form.token}/", ANSWERS, headers=headers).status_code
        return answer

    assert status(origin="https://www.acme.example") == 303
    assert status(origin="http://testserver") == 303
    assert status(referer="https://www.acme.example/contact?x=1") == 303
    assert status(origin="https://evil.example") == 403
    assert status(origin="null") == 403
    assert status() == 403
    page = Client().get(f"/f/{form.token}/?embed")
    assert "frame-ancestors https://www.acme.example" in page["Content-Security-Policy"]
    assert "X-Frame-Options" not in page
    assert Client().get(f"/f/{form.token}/")["X-Frame-Options"] == "DENY"


def test_it_may_go_on_to_another_page() -> None:
    form = make_form(redirect_url="https://www.acme.example/thanks")
    assert fill_in(form)["Location"] == "https://www.acme.example/thanks"
    policy = Client().get(f"/f/{form.token}/")["Content-Security-Policy"]
    assert "form-action 'self' https://www.acme.example" in policy


POSTED = st.dictionaries(
    st.one_of(st.sampled_from(["email", "first_name", "consent", "company", "form_stamp", "extra_note"]), st.text()),
    st.one_of(st.text(), st.just(ADDRESS), st.text(min_size=250, max_size=300)),
    max_size=8,
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(answers=POSTED)
def test_whatever_is_posted_is_answered(form: Form, answers: dict[str, str]) -> None:
    safe = {key: value.encode("utf-8", "replace").decode() for key, value in answers.items()}
    assert somebody().post(f"/f/{form.token}/", safe).status_code in {303, 422}


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"email=%ff%fe&first_name=%00", "application/x-www-form-urlencoded"),
        (b"email=%ff", "application/x-www-form-urlencoded; charset=utf-7"),
        (b"--x\r\nContent-Disposition: form-data; name=email\r\n\r\nann", "multipart/form-data; boundary=x"),
        (b"", "multipart/form-data"),
        (b"{}", "application/json"),
        (b"&".join(b"a=1" for _ in range(6_000)), "application/x-www-form-urlencoded"),
    ],
)
def test_a_broken_body_is_the_senders_fault(form: Form, body: bytes, content_type: str) -> None:
    answer = Client(raise_request_exception=False).generic("POST", f"/f/{form.token}/", body, content_type=content_type)
    assert answer.status_code in {400, 422}
