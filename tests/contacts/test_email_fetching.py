"""What has to be fetched from a provider, whom a mail went to, and who wrote it."""

import json
from typing import Any

import pytest
import requests
from django.test import override_settings

from contacts.ingest.email import Mailbox, machine_wrote, name_addressed
from contacts.models import Event, RejectedMessage
from tests.contacts.email_payloads import ANNA, EPOCH, MAIL, REPLY_ID, RITA, SUBJECT, as_json, inbound, mime, sns
from tests.contacts.test_email_providers import hook, receipt, send
from tests.factories import make_contact

pytestmark = pytest.mark.django_db


class Answers:
    """The provider's side of what we fetch: an answer for each address, and what was asked."""

    def __init__(self, **answers: tuple[int, bytes]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, str]] = []

    def get(self, url: str, **how: Any) -> requests.Response:
        assert how["timeout"]
        assert how["allow_redirects"] is False
        self.asked.append((url, how["headers"].get("Authorization", "")))
        found = next((answer for word, answer in self.answers.items() if word in url), None)
        if found is None:
            raise requests.ConnectionError("nobody there")
        response = requests.Response()
        response.status_code = found[0]
        response._content = found[1]
        response._content_consumed = True
        return response


def test_a_subscription_at_amazon_is_confirmed_by_its_link(monkeypatch: Any) -> None:
    provider = Answers(sns=(200, b""))
    monkeypatch.setattr(requests, "get", provider.get)
    _, url = hook("amazon_ses")
    link = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=arn&Token=abc"
    post = sns("You have chosen to subscribe", "SubscriptionConfirmation", SubscribeURL=link, Token="abc")
    assert receipt(send(url, post)) == (0, 0, 0)
    assert provider.asked == [(link, "")]


@pytest.mark.parametrize(
    "link",
    [
        "http://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription",
        "https://sns.eu-west-1.amazonaws.com.evil.test/?Action=ConfirmSubscription",
        "https://sns.eu-west-1.amazonaws.com@127.0.0.1/?x",
        "https://127.0.0.1:5432/",
        "file:///etc/passwd",
        7,
    ],
)
def test_nothing_else_is_followed(monkeypatch: Any, link: Any) -> None:
    provider = Answers(http=(200, b""))
    monkeypatch.setattr(requests, "get", provider.get)
    _, url = hook("amazon_ses")
    assert receipt(send(url, sns("x", "SubscriptionConfirmation", SubscribeURL=link))) == (0, 0, 1)
    assert provider.asked == []


def test_a_mail_at_mailtrap_is_fetched_with_the_key(monkeypatch: Any) -> None:
    found = json.dumps({"id": "m", "raw_message_url": "https://store.mailtrap.test/raw"}).encode()
    provider = Answers(messages=(200, found), raw=(200, mime().encode()))
    monkeypatch.setattr(requests, "get", provider.get)
    _, url = hook("mailtrap")
    told = {"event": "inbound.message_received", "inbox_id": 7, "message_id": "m", "timestamp": EPOCH * 1000}
    with override_settings(ANYMAIL={"MAILTRAP_API_TOKEN": "key"}):
        assert receipt(send(url, as_json({"events": [told]}))) == (1, 0, 0)
    assert [key for _, key in provider.asked] == ["Bearer key", ""]
    reply = Event.objects.get()
    assert (reply.properties["message_id"], reply.properties["with"]) == (REPLY_ID, "Rita Rep")


def test_the_header_of_a_mail_at_resend_is_fetched_where_the_key_is_known(monkeypatch: Any) -> None:
    headers = {"Auto-Submitted": "auto-replied", "In-Reply-To": f"<{MAIL}>"}
    provider = Answers(receiving=(200, json.dumps({"headers": headers}).encode()))
    monkeypatch.setattr(requests, "get", provider.get)
    make_contact(email=ANNA)
    _, url = hook("resend")
    with override_settings(ANYMAIL={"RESEND_API_KEY": "key"}):
        assert receipt(send(url, inbound("resend"))) == (1, 0, 0)
    reply = Event.objects.get(kind__name="email_replied")
    assert (reply.suspect_reason, reply.properties["in_reply_to"]) == ("bot: automatic reply", MAIL)


@pytest.mark.parametrize(
    ("answers", "status", "code"),
    [({}, 503, None), ({"receiving": (502, b"")}, 503, None), ({"receiving": (401, b"")}, 200, "not_set_up")],
)
def test_a_provider_that_does_not_answer_is_to_report_again(
    monkeypatch: Any, answers: dict[str, Any], status: int, code: str | None
) -> None:
    monkeypatch.setattr(requests, "get", Answers(**answers).get)
    _, url = hook("resend")
    with override_settings(ANYMAIL={"RESEND_API_KEY": "key"}):
        answer = send(url, inbound("resend"))
    assert answer.status_code == status
    assert ("Retry-After" in answer.headers) == (status == 503)
    assert [row.code for row in RejectedMessage.objects.all()] == ([code] if code else [])


# Whom a mail went to, and who wrote it


@pytest.mark.parametrize(
    ("mailboxes", "named"),
    [
        ([Mailbox(RITA, "Rita Rep")], "Rita Rep"),
        ([Mailbox("SALES@vendor.test", "Vendor Sales"), Mailbox(RITA)], RITA),
        ([Mailbox("info@vendor.test", "Info")], ""),
        ([Mailbox("sales+de@vendor.test")], ""),
        ([Mailbox("4f9c0a77d2e14a0b9d1e@inbound.test")], ""),
        ([Mailbox("x@inbound.test", "x@inbound.test")], "x@inbound.test"),
        ([Mailbox("info@vendor.test"), Mailbox("max@vendor.test", "whoever")], "Max Manager"),
        ([], ""),
    ],
)
def test_the_named_individual(mailboxes: list[Mailbox], named: str) -> None:
    assert name_addressed(mailboxes, {"max@vendor.test": "Max Manager"}) == named


@pytest.mark.parametrize(
    ("headers", "subject", "reason"),
    [
        ({}, SUBJECT, ""),
        ({"auto-submitted": "no"}, SUBJECT, ""),
        ({"auto-submitted": "auto-replied; owner-email=x"}, SUBJECT, "bot: automatic reply"),
        ({"x-autoreply": "yes"}, SUBJECT, "bot: automatic reply"),
        ({}, "Automatic reply: I am away", "bot: automatic reply"),
        ({}, "Out of the office until Monday", "bot: automatic reply"),
        ({}, "Abwesenheitsnotiz", "bot: automatic reply"),
        ({}, "Automatische Antwort: Angebot", "bot: automatic reply"),
        ({}, "Réponse automatique : bonjour", "bot: automatic reply"),
        ({}, "About the office in Berlin", ""),
        ({"content-type": "multipart/report; report-type=delivery-status"}, "x", "bot: delivery report"),
        ({"list-id": "<news.acme.test>"}, "News", "bot: mailing list"),
    ],
)
def test_who_wrote_it(headers: dict[str, str], subject: str, reason: str) -> None:
    assert machine_wrote(headers, email=ANNA, subject=subject, is_spam=False) == reason


def test_programs_and_spam_are_no_people() -> None:
    assert machine_wrote({}, email="no-reply@acme.test", subject="", is_spam=False) == "bot: sent by a program"
    assert machine_wrote({}, email=ANNA, subject="", is_spam=True) == "bot: spam"
