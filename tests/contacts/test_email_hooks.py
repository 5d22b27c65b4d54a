"""The address at which providers report: who gets in, what of strangers, what cannot be read."""

import gzip
import json
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contacts.api import email_hooks as hooks_api
from contacts.api.email_providers import PROVIDERS
from contacts.models import Contact, EmailHook, ErasedName, Event, RejectedMessage, SourceWarning, Suppression
from contacts.services.email_hooks import create_hook, revoke_hook
from contacts.services.erased_names import keyed_hash
from contacts.services.replaying import replay_all
from tests.contacts.email_payloads import (
    ANNA,
    EPOCH,
    LINK,
    REPORTS,
    WHEN,
    Post,
    as_json,
    inbound,
    resend,
    sendgrid,
)
from tests.contacts.test_email_providers import hook, receipt, send
from tests.factories import make_contact, make_source, make_user

pytestmark = pytest.mark.django_db


def mail_events() -> list[str]:
    return list(Event.objects.exclude(kind__name="page_viewed").order_by("id").values_list("kind__name", flat=True))


# Who gets in


def test_only_the_right_token_at_the_right_provider_gets_in() -> None:
    make_contact(email=ANNA)
    source, url = hook("postmark")
    _, others = hook("sendgrid")
    token = url.rsplit("/", 1)[1]
    post = REPORTS["postmark"]["clicked"]
    wrong = [
        "/hooks/email/postmark/" + token[:-1],
        "/hooks/email/postmark/nothing",
        "/hooks/email/postmark/rpn_src_" + "x" * 43,
        "/hooks/email/postmark/" + others.rsplit("/", 1)[1],
        "/hooks/email/sendgrid/" + token,
    ]
    for address in wrong:
        answer = send(address, post)
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_key"), address
    assert send("/hooks/email/pigeon/" + token, post).status_code == 404
    assert mail_events() == []
    assert receipt(send(url + "/", post)) == (1, 0, 0)
    assert EmailHook.objects.get(source=source).last_used_at is not None


def test_providers_that_look_whether_the_address_is_there_find_it() -> None:
    _, url = hook("mandrill")
    assert Client().head(url).status_code == 200
    assert Client().get(url).status_code == 200
    assert Client().get(url + "x").status_code == 401
    assert Client().put(url).status_code == 405


def test_the_old_name_of_brevo_still_works() -> None:
    make_contact(email=ANNA)
    _, url = hook("brevo")
    assert receipt(send(url.replace("/brevo/", "/sendinblue/"), REPORTS["brevo"]["clicked"])) == (1, 0, 0)


def test_no_cookie_and_no_csrf_token_is_asked_for() -> None:
    make_contact(email=ANNA)
    _, url = hook("postmark")
    post = REPORTS["postmark"]["clicked"]
    answer = Client(enforce_csrf_checks=True).post(url, post.body, content_type=post.content_type)
    assert answer.status_code == 200


def test_who_may_make_and_close_hooks_and_for_which_sources() -> None:
    admin, marketer = make_user("admin"), make_user("marketer")
    server, _ = make_source()
    public, _ = make_source(kind="public", scopes=["events:write"])
    revoked, _ = make_source(revoked_at=WHEN)
    with pytest.raises(PermissionDenied):
        create_hook(source=server, provider="postmark", by=marketer)
    for source in (public, revoked):
        with pytest.raises(ValidationError):
            create_hook(source=source, provider="postmark", by=admin)
    made = create_hook(source=server, provider="postmark", by=admin)
    with pytest.raises(PermissionDenied):
        revoke_hook(hook_id=made.hook.pk, source=server, by=marketer, now=WHEN)
    assert not revoke_hook(hook_id=made.hook.pk, source=public, by=admin, now=WHEN)
    assert revoke_hook(hook_id=made.hook.pk, source=server, by=admin, now=WHEN)
    assert not revoke_hook(hook_id=made.hook.pk, source=server, by=admin, now=WHEN)
    assert made.token not in json.dumps(list(EmailHook.objects.values("token_hash", "token_prefix")))


def test_the_hooks_of_a_revoked_source_are_closed() -> None:
    source, url = hook("postmark")
    source.revoked_at = WHEN
    source.save()
    assert send(url, REPORTS["postmark"]["clicked"]).status_code == 401


# Strangers


def test_of_strangers_sends_and_opens_are_counted_and_clicks_are_kept() -> None:
    source, url = hook("sendgrid")
    for event in ("delivered", "opened", "clicked", "soft"):
        send(url, REPORTS["sendgrid"][event])
    assert not Contact.objects.exists()
    warning = SourceWarning.objects.get(source=source)
    assert (warning.code, warning.count) == ("unknown_recipient", 2)
    rejected = RejectedMessage.objects.filter(source=source).order_by("id")
    assert [row.code for row in rejected] == ["unknown_recipient"] * 2
    assert json.loads(rejected[0].payload)["event"] == "clicked"
    assert not Suppression.objects.exists()


def test_what_strangers_did_is_replayed_once_they_are_known() -> None:
    source, url = hook("sendgrid")
    send(url, REPORTS["sendgrid"]["clicked"])
    admin = make_user("admin")
    assert replay_all(source=source, by=admin, now=WHEN).recorded == 0
    assert not Contact.objects.exists()
    contact = make_contact(email=ANNA)
    assert replay_all(source=source, by=admin, now=WHEN).recorded == 1
    row = Event.objects.get(kind__name="email_clicked")
    assert (row.contact_id, row.occurred_at, row.properties["url"]) == (contact.pk, WHEN, LINK)
    assert receipt(send(url, REPORTS["sendgrid"]["clicked"])) == (0, 1, 0)


@pytest.mark.parametrize(
    ("event", "reason"), [("hard", "bounced"), ("complained", "complained"), ("unsubscribed", "unsubscribed")]
)
def test_a_strangers_refusal_suppresses_the_address_at_once(event: str, reason: str) -> None:
    _, url = hook("sendgrid")
    send(url, REPORTS["sendgrid"][event])
    assert not Contact.objects.exists()
    suppression = Suppression.objects.get()
    assert (suppression.address_hash, suppression.reason) == (keyed_hash("email", ANNA), reason)


@pytest.mark.parametrize(
    ("event", "reason"), [("hard", "bounced"), ("complained", "complained"), ("unsubscribed", "unsubscribed")]
)
def test_a_contacts_refusal_suppresses_and_a_full_mailbox_does_not(event: str, reason: str) -> None:
    make_contact(email=ANNA)
    _, url = hook("sendgrid")
    send(url, REPORTS["sendgrid"]["soft"])
    assert not Suppression.objects.exists()
    send(url, REPORTS["sendgrid"][event])
    assert Suppression.objects.get().reason == reason


def test_the_erased_stay_erased_whatever_is_reported_of_them() -> None:
    husk = Contact.objects.create(erased_at=WHEN)
    ErasedName.objects.create(name_hash=keyed_hash("email", ANNA), husk=husk)
    _, url = hook("postmark")
    send(url, REPORTS["postmark"]["clicked"])
    send(url, inbound("postmark"))
    assert not Event.objects.exists()
    assert list(Contact.objects.all()) == [husk]
    kept = RejectedMessage.objects.all()
    assert {row.code for row in kept} == {"erased"}
    assert ANNA not in "".join(row.payload + row.message + row.message_id for row in kept)


def test_mails_of_our_own_people_and_of_machines_make_no_contact() -> None:
    make_user("rep", email=ANNA)
    source, url = hook("mailersend")
    assert receipt(send(url, inbound("mailersend"))) == (0, 0, 0)
    stranger = json.loads(inbound("mailersend", Auto_Submitted="auto-generated").body)
    stranger["data"]["raw"] = stranger["data"]["raw"].replace(ANNA, "robot@acme.test")
    assert receipt(send(url, as_json(stranger))) == (0, 0, 0)
    assert not Contact.objects.exists()
    assert SourceWarning.objects.get(source=source).code == "automatic_mail"


def test_a_reply_does_not_rename_somebody_who_is_known() -> None:
    make_contact(email=ANNA, first_name="Ann")
    _, url = hook("mailersend")
    send(url, inbound("mailersend"))
    contact = Contact.objects.get()
    assert (contact.first_name, contact.last_name) == ("Ann", "")


# Machines


@pytest.mark.parametrize(
    ("provider", "post", "reason"),
    [
        ("sendgrid", sendgrid("open", sg_machine_open=True), "bot: the e-mail provider says so"),
        ("sendgrid", sendgrid("open", useragent="Mozilla/5.0"), "bot: opened by Apple's mail privacy relay"),
        ("sendgrid", sendgrid("click", url="https://x.test/", useragent="Barracuda/1"), "bot: link scanner Barracuda"),
        ("resend", resend("email.opened", open={"userAgent": "curl/8"}), "bot: program curl"),
        (
            "sendgrid",
            sendgrid("click", url="https://x.test/?ripen-honeypot"),
            "bot: followed a link that people cannot see",
        ),
    ],
)
def test_what_machines_open_and_click_is_marked(provider: str, post: Post, reason: str) -> None:
    make_contact(email=ANNA)
    _, url = hook(provider)
    assert receipt(send(url, post)) == (1, 0, 0)
    assert Event.objects.latest("id").suspect_reason == reason


# Bodies


def test_bodies_that_cannot_be_read_are_refused() -> None:
    _, url = hook("postmark")
    assert send(url, Post(b"not json")).status_code == 400
    assert send(url, Post(b"")).status_code == 400
    assert send(url, Post(b"[" * 100_000)).status_code == 400
    assert send(url, Post(b"--", "multipart/form-data")).status_code == 400


def test_a_packed_body_is_unpacked() -> None:
    make_contact(email=ANNA)
    _, url = hook("postmark")
    post = REPORTS["postmark"]["clicked"]
    packed = Post(gzip.compress(post.body), post.content_type, {"Content-Encoding": "gzip"})
    assert receipt(send(url, packed)) == (1, 0, 0)


def test_a_mail_with_large_attachments_is_taken_and_one_that_is_too_large_is_not(monkeypatch: Any) -> None:
    _, url = hook("postmark")
    document = json.loads(inbound("postmark").body)
    document["Attachments"][0]["Content"] = "A" * 6_000_000
    assert receipt(send(url, as_json(document))) == (1, 0, 0)
    monkeypatch.setattr(hooks_api, "MAX_BODY_BYTES", 1_000)
    assert send(url, as_json(document)).status_code == 413


_json = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                [
                    "event", "events", "items", "type", "data", "msys", "Message", "Type", "event-data", "payload",
                    "RecordType", "FromFull", "events_by_user", "email", "timestamp", "Recipient", "rcpt_to", "message",
                    "headers", "Headers", "relay_message", "url", "delivered", "status",
                ]
            ),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(sorted(PROVIDERS)), _json, st.booleans())
def test_no_body_makes_a_fault(provider: str, document: Any, as_a_form: bool) -> None:
    _, url = hook(provider)
    post = as_json(document, **{"X-Amz-Sns-Message-Type": "Notification"})
    if as_a_form:
        post = Post(b"mandrill_events=" + post.body, "application/x-www-form-urlencoded")
    assert send(url, post).status_code < 500


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
def test_whatever_stands_in_a_field_makes_no_fault(provider: str) -> None:
    make_contact(email=ANNA)
    _, url = hook(provider)
    post = REPORTS[provider]["clicked"]
    if post.content_type != "application/json":
        post = REPORTS["sendgrid"]["clicked"]
    horrors: list[Any] = ["\x00\ud800", "x" * 9_000, 10**30, [], None]
    for horror in horrors:
        for place in _places(json.loads(post.body)):
            changed = json.loads(post.body)
            _put(changed, place, horror)
            answer = send(url, Post(json.dumps(changed).encode(), headers=post.headers))
            assert answer.status_code < 500, (place, horror, answer.content)


def _places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    found = [path] if path else []
    for key, value in inside:
        found += _places(value, (*path, key))
    return found


def _put(document: Any, path: tuple[Any, ...], value: Any) -> None:
    for key in path[:-1]:
        document = document[key]
    document[path[-1]] = value


def test_a_batch_costs_the_same_however_long_it_is() -> None:
    people = [f"p{number}@acme.test" for number in range(6)]
    for address in people:
        make_contact(email=address)
    _, url = hook("sendgrid")

    def queries(chosen: list[str], second: int) -> int:
        told = {"event": "click", "timestamp": EPOCH + second, "url": "https://x.test/"}
        body = [{**told, "email": one, "sg_event_id": f"{one} {second}"} for one in chosen]
        with CaptureQueriesContext(connection) as captured:
            assert receipt(send(url, as_json(body))) == (len(chosen), 0, 0)
        return len(captured)

    queries(people[:3], 0)
    # Once a second one of them asks, besides, how much is waiting.
    few = min(queries(people[:1], second) for second in (100, 200))
    assert few == min(queries(people[:3], second) for second in (300, 400))
