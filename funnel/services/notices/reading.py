"""What a person does with what they are told: reading it, and saying how they want it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from zoneinfo import available_timezones

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext

from contacts.permissions import roles_of
from funnel.enums import MailMode, NoticeKind
from funnel.models import DigestPlan, Notification, NotificationItem, NotificationSetting
from funnel.notice_kinds import Ways, default_ways, kinds_for
from funnel.selectors.notices import notifications_for
from funnel.services.notices.digests import fresh_plan, next_digest, zones_of


@dataclass(frozen=True, slots=True)
class Wishes:
    """How somebody wants to be told: each kind that their roles are told of, and when their digest goes out."""

    ways: Mapping[NoticeKind, Ways]
    time_zone: str
    hour: int
    days: tuple[int, ...]


def read_notification(*, notification_id: int, by: User, now: datetime) -> Notification:
    """Mark one line of ``by`` as read; again changes nothing.

    Raises:
        Notification.DoesNotExist: they were told no such thing.
    """
    notifications_for(by).filter(pk=notification_id, read_at=None).update(read_at=now)
    return notifications_for(by).get(pk=notification_id)


def read_all(*, by: User, now: datetime, until: datetime | None = None) -> int:
    """Mark all that ``by`` was told as read, or what came up to ``until``; return how many lines."""
    rows = notifications_for(by).filter(read_at=None)
    return (rows if until is None else rows.filter(at__lte=until)).update(read_at=now)


def wishes_of(user: User, *, now: datetime) -> Wishes:
    """How ``user`` is told at present, by choice or by default; ``time_zone`` "" is that of their calendar."""
    roles = roles_of(user)
    chosen = {row.kind: Ways(row.in_app, MailMode(row.mail)) for row in user.notification_settings.all()}
    plan = DigestPlan.objects.filter(user=user).first() or fresh_plan(user.pk, now=now)
    return Wishes(
        ways={kind: chosen.get(kind) or default_ways(kind, roles) for kind in kinds_for(roles)},
        time_zone=plan.time_zone,
        hour=plan.hour,
        days=tuple(plan.days),
    )


def save_wishes(*, by: User, wishes: Wishes, now: datetime) -> None:
    """Let ``by`` be told so from now on. What waits to be mailed follows; what equals the default is not kept.

    Raises:
        ValidationError: an unknown zone, hour or day.
    """
    _check(wishes)
    roles = roles_of(by)
    with transaction.atomic():
        NotificationSetting.objects.filter(user=by, kind__in=list(wishes.ways)).delete()
        NotificationSetting.objects.bulk_create(
            NotificationSetting(user=by, kind=kind, in_app=ways.in_app, mail=ways.mail)
            for kind, ways in wishes.ways.items()
            if ways != default_ways(kind, roles)
        )
        for mode in MailMode:
            kinds = [kind for kind, ways in wishes.ways.items() if ways.mail is mode]
            waiting = NotificationItem.objects.filter(user=by, mail=None).exclude(mail_mode=MailMode.NEVER)
            waiting.filter(notification__kind__in=kinds).update(mail_mode=mode)
        plan = DigestPlan.objects.select_for_update(no_key=True).filter(user=by).first() or fresh_plan(by.pk, now=now)
        plan.time_zone, plan.hour, plan.days = wishes.time_zone, wishes.hour, sorted(set(wishes.days))
        zone = wishes.time_zone or zones_of([by.pk])[by.pk]
        plan.due_at = next_digest(after=now, zone=zone, hour=plan.hour, days=plan.days, sent_on=plan.sent_on)
        plan.save()


@lru_cache(maxsize=1)
def known_zones() -> tuple[str, ...]:
    """Names of time zones to choose from, in order."""
    odd = ("Etc/", "posix/", "right/")
    return (*sorted(name for name in available_timezones() if "/" in name and not name.startswith(odd)), "UTC")


def _check(wishes: Wishes) -> None:
    problems: dict[str, Collection[str]] = {}
    if wishes.time_zone and wishes.time_zone not in known_zones():
        problems["time_zone"] = [gettext("There is no such time zone.")]
    if not 0 <= wishes.hour <= 23:
        problems["hour"] = [gettext("An hour from 0 to 23.")]
    if any(not 0 <= day <= 6 for day in wishes.days):
        problems["days"] = [gettext("Days from 0 (Monday) to 6.")]
    if problems:
        raise ValidationError({name: list(texts) for name, texts in problems.items()})
