"""The scheduled check of the invariants: kept, told to administrators once a day, shown on the overview."""

import logging
import re
from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client

from contacts.enums import Role
from contacts.models import Standing
from funnel.enums import MailMode, NoticeKind
from funnel.models import Notification, NotificationItem, Proof
from funnel.selectors.proofs import latest
from funnel.services.proving import KEPT_FOR, prove_sample
from tests.funnel.conftest import World, contact

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(world: World) -> User:
    return world.person(Role.ADMIN, name="Ada Admin")


def overview(user: User) -> str:
    client = Client()
    client.force_login(user)
    return re.sub(r"\s+", " ", client.get("/").content.decode())


def break_it() -> None:
    Standing.objects.filter(contact=contact("lead")).update(fit_mp=1)


def test_a_sound_sample_is_kept_and_nobody_is_told(sound: World, admin: User) -> None:
    assert latest() is None
    prove_sample(now=sound.now)
    seen = latest()
    assert seen is not None
    assert (seen.checked_at, seen.sample, seen.violations, seen.invariants) == (sound.now, 200, 0, ())
    assert not Notification.objects.filter(kind=NoticeKind.PROOF).exists()


def test_what_does_not_hold_is_kept_logged_and_told_to_administrators_alone(
    sound: World, admin: User, caplog: pytest.LogCaptureFixture
) -> None:
    sound.person(Role.MANAGER, name="Mia Manager")
    break_it()
    with caplog.at_level(logging.ERROR):
        prove_sample(now=sound.now)
    seen = latest()
    assert seen is not None
    assert (seen.violations, seen.invariants) == (1, (3,))
    (line,) = [record for record in caplog.records if record.message == "invariant_violated"]
    assert vars(line)["contact_id"] == contact("lead").pk
    (told,) = NotificationItem.objects.filter(what="proof")
    assert (told.user, told.mail_mode) == (admin, MailMode.AT_ONCE)
    client = Client()
    client.force_login(admin)
    assert "A check of the data found something wrong" in client.get("/notifications/").content.decode()


def test_administrators_are_told_once_a_day_and_whoever_was_wrong_is_looked_at_again(sound: World, admin: User) -> None:
    break_it()
    wrong = contact("lead").pk
    prove_sample(now=sound.now)
    later = sound.now
    for _ in range(3):
        later += timedelta(minutes=10)
        # Drawn is one of many; whoever was wrong is always among those looked at.
        assert prove_sample(now=later, sample=1).contact_ids == [wrong]
    assert NotificationItem.objects.filter(what="proof").count() == 1
    prove_sample(now=sound.now + timedelta(days=1, minutes=1), patience=timedelta(days=2))
    assert NotificationItem.objects.filter(what="proof").count() == 2


def test_checks_are_kept_for_four_weeks(sound: World) -> None:
    old = Proof.objects.create(
        checked_at=sound.now - KEPT_FOR - timedelta(minutes=1), took_ms=1, contacts=1, violations=0
    )
    prove_sample(now=sound.now)
    assert not Proof.objects.filter(pk=old.pk).exists()


def checked(at: datetime, **found: object) -> None:
    Proof.objects.create(checked_at=at, took_ms=5, contacts=200, **{"violations": 0, **found})


class TestOverview:
    def test_says_to_administrators_that_all_holds(self, sound: World, admin: User) -> None:
        checked(sound.now)
        page = overview(admin)
        assert "200 contacts were checked" in page
        assert "all of it adds up" in page
        assert "were checked" not in overview(sound.person(Role.MARKETER, name="Mo Marketer"))

    def test_says_what_does_not(self, sound: World, admin: User) -> None:
        checked(sound.now, violations=2, invariants=[3, 9])
        page = overview(admin)
        assert "2 things do not add up" in page
        assert "stages and scores are what the facts give" in page
        assert "manage.py verify" in page
