"""Who is told what: each kind of announcement, to each role, once, and never to whoever did it."""

import threading
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import IntegrityError, close_old_connections, connection, transaction
from django.test.utils import CaptureQueriesContext

from config.env import BASE_DIR
from contacts.enums import Role
from contacts.models import Contact
from funnel.enums import AnnouncementType, MailMode, NoticeKind
from funnel.models import (
    Absence,
    Announcement,
    Handoff,
    Notification,
    NotificationItem,
    NotificationSetting,
    RepProfile,
)
from funnel.notice_kinds import KINDS, Ways
from funnel.services.announcing import Told, announce
from funnel.services.handoffs import claim_handoff
from funnel.services.notices.keeping import verify_notices
from funnel.services.notices.telling import tell_announcements
from scoring.models import Transition
from tests.funnel.conftest import World

pytestmark = pytest.mark.django_db


def test_the_document_tells_each_kind_and_its_defaults() -> None:
    words = {Ways(True, MailMode.AT_ONCE): "app, mail at once", Ways(True, MailMode.DIGEST): "app, digest"}
    words |= {Ways(True, MailMode.NEVER): "app", Ways(False, MailMode.NEVER): "if chosen"}
    lines = (BASE_DIR / "docs" / "notifications.md").read_text().splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| `")]
    said = {row[0].strip("`"): row[2:] for row in rows if len(row) == 6}
    roles = (Role.REP, Role.MARKETER, Role.MANAGER, Role.ADMIN)
    assert said == {
        kind.value: [words[facts.ways[role]] if role in facts.ways else "" for role in roles]
        for kind, facts in KINDS.items()
    }


@pytest.fixture
def team(world: World) -> dict[str, User]:
    """Two reps, a manager, a marketer and an administrator."""
    return {
        "rita": world.person(Role.REP, "Rita Rep"),
        "ben": world.person(Role.REP, "Ben Rep"),
        "max": world.person(Role.MANAGER, "Max Manager"),
        "mara": world.person(Role.MARKETER, "Mara Marketer"),
        "ada": world.person(Role.ADMIN, "Ada Admin"),
    }


def offer(world: World, email: str = "ann@acme.example") -> Handoff:
    """An offer of which everybody has been told already."""
    handoff = world.offer(email)
    Announcement.objects.all().delete()
    Notification.objects.all().delete()
    return handoff


def say(world: World, type_: AnnouncementType, handoff: Handoff, **data: Any) -> Announcement:
    """Announce a move of a handoff as the one place for moves does."""
    given: dict[str, Any] = {"by": None, "from_rep": None, "to_rep": None, "reason": "", **data}
    announce([Told(type_, at=world.now, contact_id=handoff.contact_id, handoff_id=handoff.pk, data=given)])
    return Announcement.objects.latest("id")


def told(world: World, team: Mapping[str, User]) -> dict[str, str]:
    """Tell, and say who was told what, by first name."""
    while tell_announcements(now=world.now):
        pass
    names = {user.pk: name for name, user in team.items()}
    rows = NotificationItem.objects.select_related("notification").order_by("pk")
    return {names[row.user_id]: f"{row.notification.kind} {row.what}" for row in rows}


def keep_for(handoff: Handoff, rep: User) -> None:
    Handoff.objects.filter(pk=handoff.pk).update(assigned_to=rep)


def give(world: World, handoff: Handoff, rep: User) -> None:
    Handoff.objects.filter(pk=handoff.pk).update(state="claimed", claimed_by=rep, claimed_at=world.now)


def test_an_offer_in_the_queue_is_told_to_reps_who_can_take_it(world: World, team: dict[str, User]) -> None:
    handoff = offer(world)
    say(world, AnnouncementType.OFFERED, handoff)
    assert told(world, team) == {"rita": "queue offered", "ben": "queue offered"}


def test_who_is_away_or_has_no_room_is_not_told_of_the_queue(world: World, team: dict[str, User]) -> None:
    handoff = offer(world)
    today = world.now.date()
    Absence.objects.create(user=team["rita"], first_day=today - timedelta(days=1), last_day=today + timedelta(days=1))
    RepProfile.objects.create(user=team["ben"], claim_limit=0)
    say(world, AnnouncementType.OFFERED, handoff)
    assert told(world, team) == {}


def test_an_offer_kept_for_a_rep_is_told_to_that_rep_alone(world: World, team: dict[str, User]) -> None:
    handoff = offer(world)
    keep_for(handoff, team["ben"])
    say(world, AnnouncementType.OFFERED, handoff, to_rep=team["ben"].pk)
    assert told(world, team) == {"ben": "given kept"}


def test_a_deadline_is_told_to_whom_it_concerns(world: World, team: dict[str, User]) -> None:
    handoff = offer(world)
    give(world, handoff, team["rita"])
    say(world, AnnouncementType.WARNED, handoff)
    assert told(world, team) == {"rita": "deadline attempt_soon"}


def test_a_deadline_in_the_queue_is_told_to_whoever_can_claim(world: World, team: dict[str, User]) -> None:
    say(world, AnnouncementType.WARNED, offer(world))
    assert told(world, team) == {"rita": "queue claim_soon", "ben": "queue claim_soon"}


def test_what_was_not_claimed_in_time_is_told_to_managers_and_to_whom_it_was_kept_for(
    world: World, team: dict[str, User]
) -> None:
    say(world, AnnouncementType.EXPIRED, offer(world), from_rep=team["ben"].pk)
    assert told(world, team) == {"ben": "taken expired", "max": "escalated expired", "ada": "escalated expired"}


def test_a_starving_queue_is_told_to_managers(world: World, team: dict[str, User]) -> None:
    announce([Told(AnnouncementType.STARVING, at=world.now, data={"count": 3})])
    assert told(world, team) == {"max": "starving starving", "ada": "starving starving"}


def test_an_auto_release_is_told_to_the_rep_who_lost_it_the_queue_and_managers(
    world: World, team: dict[str, User]
) -> None:
    say(world, AnnouncementType.RELEASED, offer(world), from_rep=team["rita"].pk, reason="no_attempt")
    assert told(world, team) == {
        "rita": "taken released_by_clock", "max": "moved released", "ben": "queue back",
    }  # fmt: skip


def test_who_releases_is_not_told_so(world: World, team: dict[str, User]) -> None:
    rita = team["rita"].pk
    say(world, AnnouncementType.RELEASED, offer(world), from_rep=rita, by=rita, reason="by_hand")
    assert told(world, team) == {"max": "moved released", "ben": "queue back"}


def test_passing_on_is_told_to_both_reps_and_not_to_the_manager_who_did_it(world: World, team: dict[str, User]) -> None:
    boss = world.person(Role.MANAGER, "Mona Manager")
    handoff = offer(world)
    give(world, handoff, team["ben"])
    said = {"from_rep": team["rita"].pk, "to_rep": team["ben"].pk, "by": team["max"].pk, "to": "claimed"}
    say(world, AnnouncementType.REASSIGNED, handoff, **said)
    assert told(world, {**team, "mona": boss}) == {
        "ben": "given passed_on", "rita": "taken passed_on", "mona": "moved passed_on",
    }  # fmt: skip


def test_who_had_it_kept_for_them_is_told_that_another_claimed_it(world: World, team: dict[str, User]) -> None:
    handoff = offer(world)
    give(world, handoff, team["max"])
    boss = team["max"].pk
    say(world, AnnouncementType.CLAIMED, handoff, from_rep=team["ben"].pk, to_rep=boss, by=boss)
    assert told(world, team) == {"ben": "taken claimed_by_other"}


def test_a_claim_from_the_queue_is_told_to_nobody(world: World, team: dict[str, User]) -> None:
    rita = team["rita"].pk
    say(world, AnnouncementType.CLAIMED, offer(world), to_rep=rita, by=rita)
    assert told(world, team) == {}


def test_a_return_is_told_to_marketers_and_managers(world: World, team: dict[str, User]) -> None:
    rita = team["rita"].pk
    say(world, AnnouncementType.RETURNED, offer(world), from_rep=rita, by=rita, reason="no_want")
    assert told(world, team) == {"max": "returned returned", "mara": "returned returned"}
    digested = NotificationItem.objects.get(user=team["mara"])
    assert digested.mail_mode == MailMode.DIGEST


def test_a_win_by_purchase_is_told_to_its_rep_and_the_teams_but_not_to_other_reps(
    world: World, team: dict[str, User]
) -> None:
    handoff = offer(world)
    give(world, handoff, team["rita"])
    say(world, AnnouncementType.WON, handoff, from_rep=team["rita"].pk, to_rep=team["rita"].pk)
    assert told(world, team) == {"rita": "won won_yours", "max": "won won", "mara": "won won"}


@pytest.mark.parametrize(
    ("to", "expected"), [("lead", "stage fell"), ("customer", "stage bought"), ("sales_prospect", None)]
)
def test_a_rep_is_told_when_a_contact_of_theirs_falls_back_or_buys(
    world: World, team: dict[str, User], to: str, expected: str | None
) -> None:
    handoff = world.claimed(by=team["rita"])
    Announcement.objects.all().delete()
    transition = Transition.objects.filter(contact=handoff.contact_id).latest("id")
    data = {"from": "marketing_prospect", "to": to}
    announce(
        [
            Told(
                AnnouncementType.STAGE_CHANGED, at=world.now, contact_id=handoff.contact_id,
                transition_id=transition.pk, data=data,
            )
        ]
    )  # fmt: skip
    assert told(world, team) == ({"rita": expected} if expected else {})


@pytest.mark.parametrize(
    ("reason", "expected"),
    [("", "sequence sequence"), ("bounced", "sequence sequence_left"), ("claimed", None), ("stage_changed", None)],
)
def test_the_end_of_a_sequence_is_told_to_marketers_where_it_is_news(
    world: World, team: dict[str, User], reason: str, expected: str | None
) -> None:
    contact = world.happens("ann@acme.example", "newsletter_subscribed")
    data = {"sequence": "1", "reason": reason}
    announce([Told(AnnouncementType.SEQUENCE_ENDED, at=world.now, contact_id=contact.pk, data=data)])
    assert told(world, team) == ({"mara": expected} if expected else {})


def test_a_role_that_was_taken_away_is_told_nothing(world: World, team: dict[str, User]) -> None:
    handoff = offer(world)
    give(world, handoff, team["rita"])
    team["rita"].groups.clear()
    User.objects.filter(pk=team["ben"].pk).update(is_active=False)
    say(world, AnnouncementType.WARNED, handoff)
    say(world, AnnouncementType.RELEASED, handoff, from_rep=team["ben"].pk, reason="rep_away")
    assert told(world, team) == {"max": "moved released"}


def test_a_person_with_two_roles_is_told_once(world: World, team: dict[str, User]) -> None:
    team["max"].groups.add(Group.objects.get(name=Role.MARKETER.value))
    say(world, AnnouncementType.RETURNED, offer(world), from_rep=team["rita"].pk, by=team["rita"].pk, reason="other")
    assert told(world, team)["max"] == "returned returned"
    assert NotificationItem.objects.filter(user=team["max"]).count() == 1


def test_who_wants_neither_app_nor_mail_gets_no_row(world: World, team: dict[str, User]) -> None:
    never = {"kind": NoticeKind.QUEUE, "in_app": False, "mail": MailMode.NEVER}
    NotificationSetting.objects.create(user=team["rita"], **never)
    NotificationSetting.objects.create(user=team["max"], kind=NoticeKind.QUEUE, in_app=True, mail=MailMode.NEVER)
    say(world, AnnouncementType.OFFERED, offer(world))
    assert set(told(world, team)) == {"ben", "max"}


def test_of_an_erased_or_merged_contact(world: World, team: dict[str, User]) -> None:
    gone, merged = offer(world, "gone@acme.example"), offer(world, "merged@acme.example")
    Contact.objects.filter(pk=gone.contact_id).update(erased_at=world.now)
    other = world.happens("winner@acme.example", "page_viewed")
    Contact.objects.filter(pk=merged.contact_id).update(merged_into=other)
    say(world, AnnouncementType.OFFERED, gone)
    say(world, AnnouncementType.OFFERED, merged)
    told(world, team)
    assert set(NotificationItem.objects.values_list("contact_id", flat=True)) == {merged.contact_id}
    assert not Announcement.objects.filter(noticed_at=None).exists(), "nobody to tell is told, too"


def test_thirty_offers_in_one_drain_are_one_line(world: World, team: dict[str, User]) -> None:
    handoff = offer(world)
    for _ in range(30):
        say(world, AnnouncementType.OFFERED, handoff)
    told(world, team)
    assert list(Notification.objects.order_by("user").values_list("user", "count")) == [
        (team["rita"].pk, 30), (team["ben"].pk, 30),
    ]  # fmt: skip
    assert NotificationItem.objects.count() == 60


def test_what_comes_soon_after_joins_an_unread_line_and_what_comes_later_does_not(
    world: World, team: dict[str, User]
) -> None:
    handoff, rita = offer(world), team["rita"]

    def counts() -> list[int]:
        return list(Notification.objects.filter(user=rita).order_by("pk").values_list("count", flat=True))

    say(world, AnnouncementType.OFFERED, handoff)
    told(world, team)
    world.later(minutes=5)
    say(world, AnnouncementType.OFFERED, handoff)
    told(world, team)
    assert counts() == [2]
    world.later(minutes=11)
    say(world, AnnouncementType.OFFERED, handoff)
    told(world, team)
    assert counts() == [2, 1]
    Notification.objects.update(read_at=world.now)
    say(world, AnnouncementType.OFFERED, handoff)
    told(world, team)
    assert counts() == [2, 1, 1]


def test_a_line_about_the_queue_settles_once_all_of_it_is_claimed(world: World, team: dict[str, User]) -> None:
    first, second = offer(world, "one@acme.example"), offer(world, "two@acme.example")
    say(world, AnnouncementType.OFFERED, first)
    say(world, AnnouncementType.OFFERED, second)
    told(world, team)
    unread = Notification.objects.filter(user=team["ben"], kind=NoticeKind.QUEUE, read_at=None)
    for left, handoff in ((1, first), (0, second)):
        claim_handoff(handoff_id=handoff.pk, by=team["rita"], now=world.later(minutes=1))
        told(world, team)
        assert unread.count() == left


def test_nobody_is_told_twice_of_the_same(world: World, team: dict[str, User]) -> None:
    row = say(world, AnnouncementType.OFFERED, offer(world))
    told(world, team)
    Announcement.objects.filter(pk=row.pk).update(noticed_at=None)
    assert tell_announcements(now=world.now) == 0, "the constraint refuses, and the row stays in sight of verify"
    assert NotificationItem.objects.count() == 2
    item = NotificationItem.objects.first()
    assert item is not None
    with pytest.raises(IntegrityError), transaction.atomic():
        NotificationItem.objects.create(
            notification=item.notification, user=item.user, key=item.key, what="offered", at=world.now,
            told_at=world.now,
        )  # fmt: skip


def test_one_that_cannot_be_told_keeps_no_other_back_and_verify_names_it(world: World, team: dict[str, User]) -> None:
    handoff = offer(world)
    bad = say(world, AnnouncementType.OFFERED, handoff, to_rep={"not": "a person"})
    good = say(world, AnnouncementType.OFFERED, handoff)
    assert tell_announcements(now=world.now) == 1
    left = Announcement.objects.filter(noticed_at=None)
    assert list(left) == [bad]
    assert Announcement.objects.get(pk=good.pk).noticed_at == world.now
    assert list(verify_notices(now=world.now)) == []
    (violation,) = verify_notices(now=world.later(seconds=11))
    assert str(bad.pk) in violation.message


def test_the_number_of_queries_does_not_depend_on_the_number(world: World, team: dict[str, User]) -> None:
    handoff = offer(world)

    def cost(number: int) -> int:
        for _ in range(number):
            say(world, AnnouncementType.OFFERED, handoff)
            say(world, AnnouncementType.EXPIRED, handoff, from_rep=team["ben"].pk)
        with CaptureQueriesContext(connection) as captured:
            assert tell_announcements(now=world.now) == 2 * number
        return len(captured)

    cost(1)
    assert cost(3) == cost(1)


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_a_worker_that_dies_has_told_nobody_and_the_next_one_tells(world: World, team: dict[str, User]) -> None:
    say(world, AnnouncementType.OFFERED, offer(world))

    def tell_and_die() -> None:
        with transaction.atomic():
            assert tell_announcements(now=world.now) == 1
            assert NotificationItem.objects.count() == 2
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tell_and_die()
    assert not NotificationItem.objects.exists()
    assert told(world, team) == {"rita": "queue offered", "ben": "queue offered"}


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_several_workers_tell_each_announcement_once(world: World, team: dict[str, User]) -> None:
    handoff = offer(world)
    for _ in range(60):
        say(world, AnnouncementType.OFFERED, handoff)
    done: list[int] = []

    def work() -> None:
        try:
            while number := tell_announcements(now=world.now, limit=7):
                done.append(number)
        finally:
            close_old_connections()
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(done) == 60
    assert NotificationItem.objects.count() == 120
    assert sum(Notification.objects.values_list("count", flat=True)) == 120
