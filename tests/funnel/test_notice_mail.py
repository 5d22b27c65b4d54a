"""Notifications by mail: at once what came together, a digest once a day, sent once, and never of what is gone."""

import smtplib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.core.mail.backends.base import BaseEmailBackend
from django.db import transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from contacts.enums import MailState, Role
from contacts.models import Contact
from contacts.registry import Erasing
from contacts.services.consent_facts import suppress_address
from funnel.enums import MailMode, NoticeKind
from funnel.models import DigestPlan, Handoff, NoticeMail, Notification, NotificationItem, NotificationSetting
from funnel.services.notices.audience import Notice
from funnel.services.notices.digests import next_digest
from funnel.services.notices.keeping import READ_KEPT_FOR, erase_notices, forget_notices
from funnel.services.notices.mailing import (
    GATHERED_FOR,
    forget_notice_mails,
    queue_digests,
    queue_mails,
    send_notice_mails,
)
from funnel.services.notices.staff import load_staff
from funnel.services.notices.telling import write_notices
from tests.funnel.conftest import World

pytestmark = pytest.mark.django_db
# A Monday.
MONDAY = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def rita(world: World) -> User:
    return world.person(Role.REP, "Rita Rep")


@pytest.fixture
def ann(world: World) -> Handoff:
    handoff = world.offer("ann@acme.example")
    Contact.objects.filter(pk=handoff.contact_id).update(first_name="Ann", last_name="Archer")
    return handoff


_numbers = iter(range(1, 10_000))


def tell(user: User, handoff: Handoff, now: datetime, kind: NoticeKind = NoticeKind.GIVEN, what: str = "kept") -> None:
    notice = Notice(
        user.pk, kind, what, f"test:{next(_numbers)}", at=now, contact_id=handoff.contact_id, handoff_id=handoff.pk
    )
    write_notices([notice], staff=load_staff(), now=now)


def run(now: datetime) -> list[Any]:
    """One sweep of the mail's task; what it sent."""
    before = len(mail.outbox)
    queue_mails(now=now)
    queue_digests(now=now)
    send_notice_mails(now=now)
    return mail.outbox[before:]


class TestAtOnce:
    def test_what_comes_within_half_a_minute_is_one_mail_with_links(
        self, rita: User, ann: Handoff, world: World, settings: Any
    ) -> None:
        settings.BASE_URL = "https://ripen.example"
        ben = world.offer("ben@acme.example")
        tell(rita, ann, MONDAY)
        tell(rita, ben, MONDAY + timedelta(seconds=10), NoticeKind.DEADLINE, "claim_soon")
        assert run(MONDAY + timedelta(seconds=11)) == []
        (sent,) = run(MONDAY + GATHERED_FOR)
        assert sent.to == ["rita.rep@ripen.example"]
        assert sent.subject == "Ann Archer is kept for you, and 1 more"
        body = str(sent.body)
        assert f"* Ann Archer is kept for you\n  https://ripen.example/handoffs/{ann.pk}/" in body
        assert "Time runs out to claim ben@acme.example" in body
        assert "https://ripen.example/account/notifications/" in body
        assert sent.extra_headers["Auto-Submitted"] == "auto-generated"
        assert run(MONDAY + timedelta(hours=1)) == []

    def test_thirty_things_are_one_mail(self, rita: User, ann: Handoff) -> None:
        for _ in range(30):
            tell(rita, ann, MONDAY)
        (sent,) = run(MONDAY + GATHERED_FOR)
        assert str(sent.body).count("* Ann Archer") == 20
        assert "and 10 more" in str(sent.body)

    def test_what_was_read_meanwhile_is_not_mailed(self, rita: User, ann: Handoff) -> None:
        tell(rita, ann, MONDAY)
        Notification.objects.update(read_at=MONDAY)
        assert run(MONDAY + GATHERED_FOR) == []
        assert NoticeMail.objects.get().state == MailState.DROPPED

    def test_who_lost_the_role_or_left_gets_nothing(self, rita: User, ann: Handoff) -> None:
        tell(rita, ann, MONDAY)
        rita.groups.clear()
        assert run(MONDAY + GATHERED_FOR) == []
        assert NoticeMail.objects.get().state == MailState.DROPPED

    def test_a_bounced_address_is_left_alone(self, rita: User, ann: Handoff) -> None:
        suppress_address(address=rita.email, reason="bounced", now=MONDAY)
        tell(rita, ann, MONDAY)
        assert run(MONDAY + GATHERED_FOR) == []

    def test_a_subject_is_one_line_whatever_a_contact_is_called(self, rita: User, ann: Handoff) -> None:
        Contact.objects.filter(pk=ann.contact_id).update(first_name="Ann\r\nBcc: all@acme.example", last_name="")
        tell(rita, ann, MONDAY)
        (sent,) = run(MONDAY + GATHERED_FOR)
        assert sent.subject == "Ann Bcc: all@acme.example is kept for you"

    def test_an_erased_person_is_in_no_mail_and_in_no_row(self, rita: User, ann: Handoff, world: World) -> None:
        ben = world.offer("ben@acme.example")
        tell(rita, ann, MONDAY)
        tell(rita, ben, MONDAY)
        queue_mails(now=MONDAY + GATHERED_FOR)
        with transaction.atomic():
            erase_notices(Erasing(husk_id=1, contact_ids=(ann.contact_id,), now=MONDAY))
        (sent,) = run(MONDAY + timedelta(minutes=1))
        assert "Ann" not in str(sent.body) + sent.subject
        assert Notification.objects.get().count == 1
        with transaction.atomic():
            erase_notices(Erasing(husk_id=1, contact_ids=(ben.contact_id,), now=MONDAY))
        assert not Notification.objects.exists()
        assert not NoticeMail.objects.exists()


class Refusing(BaseEmailBackend):
    """A mail server that raises what it is told to."""

    error: Exception = OSError("connection refused")

    def send_messages(self, email_messages: Sequence[Any]) -> int:
        raise self.error


def test_what_cannot_be_sent_is_tried_again_and_given_up_in_the_end(rita: User, ann: Handoff, settings: Any) -> None:
    tell(rita, ann, MONDAY)
    working, settings.EMAIL_BACKEND = settings.EMAIL_BACKEND, f"{__name__}.Refusing"
    now = MONDAY + GATHERED_FOR
    run(now)
    row = NoticeMail.objects.get()
    assert (row.state, row.attempts, row.error) == (MailState.WAITING, 1, "OSError")
    assert row.due_at == now + timedelta(minutes=1)
    settings.EMAIL_BACKEND = working
    assert len(run(now + timedelta(minutes=1))) == 1
    assert NoticeMail.objects.get().state == MailState.SENT
    settings.EMAIL_BACKEND = f"{__name__}.Refusing"
    Refusing.error = smtplib.SMTPRecipientsRefused({rita.email: (550, b"No such mailbox")})
    tell(rita, ann, now + timedelta(days=1))
    run(now + timedelta(days=1, minutes=1))
    Refusing.error = OSError("connection refused")
    assert NoticeMail.objects.latest("id").state == MailState.FAILED
    assert forget_notice_mails(now=datetime.now(UTC) + timedelta(days=31)) == 2


class TestDigest:
    def test_goes_out_at_the_hour_of_the_persons_zone_and_once_a_day(self, rita: User, ann: Handoff) -> None:
        DigestPlan.objects.create(
            user=rita, time_zone="America/New_York", hour=9, days=[0, 1], due_at=MONDAY + timedelta(hours=2)
        )
        tell(rita, ann, MONDAY, NoticeKind.DUE, "due")
        assert run(MONDAY + timedelta(hours=1, minutes=59)) == []
        (sent,) = run(MONDAY + timedelta(hours=2))
        assert sent.subject == "Ripen: 1 thing to know"
        assert "Ann Archer: what you agreed on is for today" in str(sent.body)
        plan = DigestPlan.objects.get()
        # Tuesday, nine o'clock in New York.
        assert plan.due_at == datetime(2026, 11, 24, 14, tzinfo=UTC)
        tell(rita, ann, MONDAY + timedelta(hours=3), NoticeKind.DUE, "stale")
        assert run(MONDAY + timedelta(hours=5)) == []

    def test_is_skipped_when_there_is_nothing_to_say(self, rita: User) -> None:
        DigestPlan.objects.create(user=rita, due_at=MONDAY)
        assert run(MONDAY) == []
        assert not NoticeMail.objects.exists()
        plan = DigestPlan.objects.get()
        assert (plan.due_at > MONDAY, plan.sent_on) == (True, None)

    def test_survives_a_worker_that_dies_and_a_stop_of_days(self, rita: User, ann: Handoff) -> None:
        tell(rita, ann, MONDAY, NoticeKind.DUE, "due")
        due = DigestPlan.objects.get(user=rita).due_at
        before = transaction.savepoint()
        assert queue_digests(now=due) == 1
        transaction.savepoint_rollback(before)
        later = due + timedelta(days=2)
        assert len(run(later)) == 1
        assert run(later + timedelta(minutes=5)) == []

    def test_another_hour_on_the_same_day_sends_no_second_one(self, rita: User, ann: Handoff) -> None:
        tell(rita, ann, MONDAY, NoticeKind.DUE, "due")
        due = DigestPlan.objects.get(user=rita).due_at
        assert len(run(due)) == 1
        plan = DigestPlan.objects.get()
        assert plan.sent_on is not None
        assert next_digest(after=due, zone="UTC", hour=23, days=range(7), sent_on=plan.sent_on).date() > plan.sent_on

    def test_a_marketer_is_told_of_returns_there_by_default(self, world: World, ann: Handoff) -> None:
        mara = world.person(Role.MARKETER, "Mara Marketer")
        tell(mara, ann, MONDAY, NoticeKind.RETURNED, "returned")
        due = DigestPlan.objects.get(user=mara).due_at
        assert (due.weekday(), due.hour) == (1, 8)
        (sent,) = run(due)
        assert "Somebody returned Ann Archer to Marketing" in str(sent.body)

    def test_who_is_only_mailed_finds_nothing_in_the_app(self, rita: User, ann: Handoff) -> None:
        NotificationSetting.objects.create(user=rita, kind=NoticeKind.DUE, in_app=False, mail=MailMode.AT_ONCE)
        tell(rita, ann, MONDAY, NoticeKind.DUE, "due")
        assert not Notification.objects.get().in_app
        assert len(run(MONDAY + GATHERED_FOR)) == 1


ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe")


@settings(max_examples=40)
@given(
    after=st.datetimes(datetime(2026, 1, 1), datetime(2028, 1, 1)),  # noqa: DTZ001  made aware below
    zone=st.sampled_from(ZONES),
    hour=st.integers(0, 23),
    days=st.sets(st.integers(0, 6), min_size=1),
)
def test_a_digest_comes_on_a_chosen_day_and_never_twice_on_one(
    after: datetime, zone: str, hour: int, days: set[int]
) -> None:
    now, seen = after.replace(tzinfo=UTC), set()
    for _ in range(10):
        at = next_digest(after=now, zone=zone, hour=hour, days=days)
        local = at.astimezone(ZoneInfo(zone))
        assert now < at <= now + timedelta(days=8)
        assert local.weekday() in days
        # In the night when clocks go forward an hour is skipped.
        assert local.hour in {hour, hour + 1}
        assert local.date() not in seen
        seen.add(local.date())
        now = at


def test_read_lines_are_forgotten_after_ninety_days(rita: User, ann: Handoff) -> None:
    tell(rita, ann, MONDAY)
    tell(rita, ann, MONDAY, NoticeKind.DUE, "due")
    Notification.objects.filter(kind=NoticeKind.DUE).update(read_at=MONDAY)
    assert forget_notices(now=MONDAY + READ_KEPT_FOR) == 0
    assert forget_notices(now=MONDAY + READ_KEPT_FOR + timedelta(seconds=1)) == 1
    assert Notification.objects.get().kind == NoticeKind.GIVEN
    assert NotificationItem.objects.count() == 1
    assert forget_notices(now=MONDAY + timedelta(days=366)) == 1
