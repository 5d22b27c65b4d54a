"""Every provider that django-anymail knows reports the same few things, each in its own way; here they become one."""

import hashlib
import hmac
import json
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import Client, override_settings
from django.test.client import RequestFactory

from contacts.api.email_providers import PROVIDERS
from contacts.forms.email_hooks import HOW_TO
from contacts.models import Contact, EmailHook, Event, RejectedMessage, Source, SourceWarning
from contacts.services.email_hooks import create_hook
from scoring.services.evaluate import drain_due
from tests.contacts.email_payloads import (
    AGENT,
    ANNA,
    EPOCH,
    INBOUND,
    LINK,
    MAIL,
    REPLY_ID,
    REPORTS,
    RITA,
    SECRET_TEXT,
    SUBJECT,
    WHEN,
    Post,
    as_json,
    inbound,
    mailgun,
    mailtrap,
    mime,
    sns,
)
from tests.factories import make_contact, make_source, make_user

pytestmark = pytest.mark.django_db

KINDS = {
    "sent": "email_sent",
    "delivered": "email_delivered",
    "opened": "email_opened",
    "clicked": "email_clicked",
    "hard": "email_bounced",
    "soft": "email_bounced",
    "bounce": "email_bounced",
    "complained": "email_complained",
    "unsubscribed": "unsubscribed",
    "automatic": "email_replied",
}
EVERY = [(provider, event) for provider, posts in REPORTS.items() for event in posts]


def hook(provider: str) -> tuple[Source, str]:
    """A source with an address for the provider."""
    source, _ = make_source()
    made = create_hook(source=source, provider=provider, by=make_user("admin"))
    return source, f"/hooks/email/{provider}/{made.token}"


def send(url: str, post: Post) -> Any:
    return Client().post(url, post.body, content_type=post.content_type, headers=dict(post.headers))


def receipt(answer: Any) -> tuple[int, int, int]:
    assert answer.status_code == 200, answer.content
    body = answer.json()
    return body["accepted"], body["duplicates"], len(body["rejected"])


def test_every_provider_of_the_library_is_here() -> None:
    import pkgutil

    import anymail.webhooks

    known = {module.name for module in pkgutil.iter_modules(anymail.webhooks.__path__)} - {"base", "sendinblue"}
    assert set(PROVIDERS) == known == set(REPORTS) == set(HOW_TO)
    for key, provider in PROVIDERS.items():
        assert HOW_TO[key].name.startswith(provider.name)
        assert bool(HOW_TO[key].replies) == (provider.inbound is not None)
        assert {*provider.keys.values(), *provider.inbound_keys.values()} - {"BREVO_API_KEY"} == set(HOW_TO[key].keys)


@pytest.mark.parametrize(("provider", "event"), EVERY)
def test_a_report_is_recorded_once_however_often_it_comes(provider: str, event: str) -> None:
    contact = make_contact(email=ANNA)
    _, url = hook(provider)
    post = REPORTS[provider][event]

    assert receipt(send(url, post)) == (1, 0, 0)
    assert receipt(send(url, post)) == (0, 1, 0)

    row = Event.objects.select_related("kind").exclude(kind__name="page_viewed").get()
    assert (row.kind.name, row.contact_id, row.channel) == (KINDS[event], contact.pk, "email")
    assert row.occurred_at.replace(microsecond=0) == WHEN
    assert row.properties["provider"] == provider
    assert row.properties["message_id"] == ("19421777835146490" if provider == "mailjet" else MAIL)
    assert row.properties.get("type") == {"hard": "hard", "bounce": "hard", "soft": "soft"}.get(event)
    assert bool(row.suspect_reason) == (event == "automatic")
    assert "192.0.2.7" not in json.dumps(row.properties)
    if event == "clicked":
        assert row.properties["url"] == LINK
        assert row.properties.get("user_agent", AGENT) == AGENT
    assert not SourceWarning.objects.exists()


@pytest.mark.parametrize("provider", INBOUND)
def test_a_reply_is_a_two_way_dialogue_with_a_named_individual(provider: str) -> None:
    _, url = hook(provider)
    make_user("rep", email=RITA, first_name="Rita", last_name="Rep")

    assert receipt(send(url, inbound(provider))) == (1, 0, 0)
    assert receipt(send(url, inbound(provider))) == (0, 1, 0)

    row = Event.objects.select_related("kind", "contact").get()
    assert (row.kind.name, row.contact.email) == ("email_replied", ANNA)
    assert (row.contact.first_name, row.contact.last_name) == ("Anna", "Adams")
    assert row.properties == {
        "provider": provider,
        "message_id": REPLY_ID,
        "subject": SUBJECT,
        "to": RITA,
        "with": "Rita Rep",
        **({"in_reply_to": MAIL} if provider != "resend" else {}),
    }
    drain_due(now=row.received_at)
    # Nothing is known yet of who she is, so she does not fit yet.
    assert Contact.objects.select_related("standing").get().standing.stage == "marketing_prospect"


def test_a_reply_of_somebody_who_fits_makes_a_sales_prospect_and_one_to_nobody_in_particular_does_not() -> None:
    company = {"name": "Acme", "employees": 200, "industry": "software"}
    make_contact(email=ANNA, job_title="Head of Operations", company=company)
    _, url = hook("sparkpost")
    raw = mime(To="Sales <sales@vendor.test>")
    told = {"protocol": "smtp", "msg_from": ANNA, "rcpt_to": "sales@vendor.test"}
    relay = {**told, "content": {"email_rfc822": raw, "email_rfc822_is_base64": False}}
    assert receipt(send(url, as_json([{"msys": {"relay_message": relay}}]))) == (1, 0, 0)
    reply = Event.objects.get(kind__name="email_replied")
    drain_due(now=reply.received_at)
    assert "with" not in reply.properties
    assert Contact.objects.select_related("standing").get().standing.stage == "marketing_prospect"

    raw = mime(Message_ID="<another@mail.acme.test>")
    relay["content"] = {"email_rfc822": raw, "email_rfc822_is_base64": False}
    assert receipt(send(url, as_json([{"msys": {"relay_message": relay}}]))) == (1, 0, 0)
    drain_due(now=Event.objects.latest("id").received_at)
    assert Event.objects.latest("id").properties["with"] == "Rita Rep"
    assert Contact.objects.select_related("standing").get().standing.stage == "sales_prospect"


def test_the_token_in_the_address_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    _, url = hook("postmark")
    send(url, REPORTS["postmark"]["clicked"])
    logged = caplog.text
    assert "/hooks/email/postmark/" in logged
    assert url.rsplit("/", 1)[1] not in logged


@pytest.mark.parametrize("provider", [provider for provider in INBOUND if provider != "resend"])
@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"Auto_Submitted": "auto-replied (vacation)"}, "bot: automatic reply"),
        ({"Precedence": "bulk"}, "bot: mailing list"),
    ],
)
def test_an_automatic_answer_is_none(provider: str, headers: dict[str, str], reason: str) -> None:
    contact = make_contact(email=ANNA)
    _, url = hook(provider)
    assert receipt(send(url, inbound(provider, **headers))) == (1, 0, 0)
    row = Event.objects.get(kind__name="email_replied")
    assert (row.contact_id, row.suspect_reason) == (contact.pk, reason)
    drain_due(now=row.received_at)
    contact = Contact.objects.select_related("standing").get()
    assert contact.standing.stage == "audience"


@pytest.mark.parametrize("provider", INBOUND)
def test_nothing_of_a_mails_text_or_attachments_is_kept(provider: str, tmp_path: Any) -> None:
    _, url = hook(provider)
    send(url, inbound(provider))
    dump = tmp_path / "dump.json"
    call_command("dumpdata", "contacts", output=str(dump), verbosity=0)
    kept = dump.read_text()
    assert REPLY_ID in kept
    assert SECRET_TEXT not in kept
    assert "application/pdf" not in kept


def test_one_mail_to_two_of_our_addresses_is_one_reply() -> None:
    _, url = hook("mailersend")
    first = json.loads(inbound("mailersend").body)
    second = json.loads(inbound("mailersend").body)
    second["data"]["id"] = "another"
    second["data"]["recipients"]["rcptTo"] = [{"email": "info@vendor.test"}]
    assert receipt(send(url, as_json(first))) == (1, 0, 0)
    assert receipt(send(url, as_json(second))) == (0, 1, 0)


def test_mailgun_signs_every_attempt_anew_and_it_is_stored_once() -> None:
    make_contact(email=ANNA)
    _, url = hook("mailgun")
    first = json.loads(mailgun("clicked", url=LINK).body)
    second = json.loads(mailgun("clicked", url=LINK).body)
    second["signature"] = {"token": "another", "timestamp": str(EPOCH + 60), "signature": "1"}
    assert receipt(send(url, as_json(first))) == (1, 0, 0)
    assert receipt(send(url, as_json(second))) == (0, 1, 0)


@pytest.mark.parametrize(
    ("reason", "kind", "bounce"),
    [
        ("suppress-bounce", "email_bounced", "hard"),
        ("suppress-complaint", "email_complained", None),
        ("suppress-unsubscribe", "unsubscribed", None),
    ],
)
def test_what_mailgun_refuses_to_send_says_what_the_person_did(reason: str, kind: str, bounce: str | None) -> None:
    make_contact(email=ANNA)
    _, url = hook("mailgun")
    # The provider calls it a permanent failure whatever the reason.
    event = "rejected" if kind != "email_bounced" else "failed"
    send(url, mailgun(event, severity="permanent", reason=reason))
    row = Event.objects.exclude(kind__name="page_viewed").select_related("kind").get()
    assert (row.kind.name, row.properties.get("type")) == (kind, bounce)


@pytest.mark.parametrize(
    ("provider", "post"),
    [
        ("mailgun", mailgun("failed", severity="temporary")),
        ("mailtrap", mailtrap("soft bounce")),
        ("mailgun", mailgun("accepted")),
        ("mailgun", mailgun("something new")),
        ("sparkpost", as_json([{"msys": {}}])),
        ("amazon_ses", sns("Successfully validated SNS topic for Amazon SES event publishing.")),
        ("postmark", as_json({})),
        ("sendgrid", as_json([])),
        ("mailtrap", as_json({"events": [{"event": "inbound.message_received", "inbox_id": 1, "message_id": "x"}]})),
    ],
)
def test_what_says_nothing_of_a_person_is_answered_and_left_out(provider: str, post: Post) -> None:
    make_contact(email=ANNA)
    _, url = hook(provider)
    assert receipt(send(url, post)) == (0, 0, 0)


def test_one_that_nobody_understands_does_not_sink_its_neighbours() -> None:
    make_contact(email=ANNA)
    source, url = hook("sendgrid")
    good = json.loads(REPORTS["sendgrid"]["clicked"].body)[0]
    other = json.loads(REPORTS["sendgrid"]["opened"].body)[0]
    body = as_json([good, "text", None, {**other, "timestamp": "now"}, {**other, "email": "nobody"}, other])
    assert receipt(send(url, body)) == (2, 0, 4)
    codes = list(RejectedMessage.objects.filter(source=source).order_by("id").values_list("code", flat=True))
    assert codes == ["unreadable", "unreadable", "unreadable", "invalid_email"]


def test_a_mailtrap_mail_cannot_be_read_without_its_key_and_says_so() -> None:
    _, url = hook("mailtrap")
    told = {"event": "inbound.message_received", "inbox_id": 7, "message_id": "m", "timestamp": EPOCH * 1000}
    assert receipt(send(url, as_json({"events": [told]}))) == (0, 0, 1)
    kept = RejectedMessage.objects.get()
    assert kept.code == "not_set_up"
    assert "MAILTRAP_API_TOKEN" in kept.message


# Signatures


def mailersend_signature(secret: str, body: bytes) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def test_a_signature_is_checked_where_the_key_is_known() -> None:
    make_contact(email=ANNA)
    _, url = hook("mailersend")
    post = REPORTS["mailersend"]["clicked"]
    signed = Post(post.body, post.content_type, {"Signature": mailersend_signature("s3cret", post.body)})
    with override_settings(ANYMAIL={"MAILERSEND_SIGNING_SECRET": "s3cret"}):
        assert send(url, post).status_code == 403
        assert send(url, post).json()["code"] == "bad_signature"
        wrong = Post(post.body, post.content_type, {"Signature": "0" * 64})
        assert send(url, wrong).status_code == 403
        assert not Event.objects.exclude(kind__name="page_viewed").exists()
        assert receipt(send(url, signed)) == (1, 0, 0)
    with override_settings(ANYMAIL={}):
        assert receipt(send(url, signed)) == (0, 1, 0)


def test_mandrill_signs_the_address_that_was_pasted() -> None:
    from base64 import b64encode

    make_contact(email=ANNA)
    _, url = hook("mandrill")
    post = REPORTS["mandrill"]["clicked"]
    fields = RequestFactory().post(url, post.body, content_type=post.content_type).POST.dict()
    signed = settings.BASE_URL + url + "".join(key + str(fields[key]) for key in sorted(fields))
    signature = b64encode(hmac.new(b"key", signed.encode(), hashlib.sha1).digest()).decode()
    with override_settings(ANYMAIL={"MANDRILL_WEBHOOK_KEY": "key"}):
        assert send(url, post).status_code == 403
        answer = send(url, Post(post.body, post.content_type, {"X-Mandrill-Signature": signature}))
        assert receipt(answer) == (1, 0, 0)


@pytest.mark.parametrize(
    ("provider", "settings_of"),
    [
        ("mailgun", {"MAILGUN_WEBHOOK_SIGNING_KEY": "key"}),
        ("mailtrap", {"MAILTRAP_TRACKING_SECRET": "key"}),
        ("postal", {"POSTAL_WEBHOOK_KEY": "no key at all"}),
        ("resend", {"RESEND_SIGNING_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}),
        ("unisender_go", {"UNISENDER_GO_API_KEY": "key"}),
        ("amazon_ses", {}),
    ],
)
def test_reports_that_are_not_signed_as_they_should_be_are_refused(provider: str, settings_of: dict[str, str]) -> None:
    make_contact(email=ANNA)
    _, url = hook(provider)
    post = REPORTS[provider]["clicked"]
    with override_settings(ANYMAIL=settings_of):
        answer = send(url, Post(post.body, post.content_type, {"svix-id": "x"}))
    assert answer.status_code == 403
    assert not Event.objects.exclude(kind__name="page_viewed").exists()


def test_a_revoked_hook_is_closed() -> None:
    _, url = hook("postmark")
    EmailHook.objects.update(revoked_at=WHEN)
    assert send(url, REPORTS["postmark"]["clicked"]).status_code == 401
