"""What somebody was told, as lists show it and mails write it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Prefetch, Q, QuerySet
from django.urls import reverse

from contacts.models import Contact
from contacts.permissions import roles_of
from contacts.selectors.merges import roots_of
from funnel.enums import NoticeKind
from funnel.models import Notification, NotificationItem
from funnel.notice_kinds import KINDS, kinds_for
from funnel.selectors.notice_words import NAMED, SOMEBODY, say_names, say_one, say_reason, say_several
from funnel.selectors.operation_words import say_trouble
from funnel.selectors.people import name_of
from scoring.models import Notice as DefinitionNotice
from scoring.selectors import stage_labels
from scoring.wording import kind_phrase

PAGE_SIZE: Final = 50
COUNT_CAP: Final = 99
MOST_ITEMS: Final = 200


@dataclass(frozen=True, slots=True)
class NoticeLine:
    """One thing that was told: what to read and where it leads ("" where the thing is gone)."""

    text: str
    url: str
    at: datetime


@dataclass(frozen=True, slots=True)
class NotificationLine:
    """One line of a list. ``names`` says who is in it where it tells of several."""

    id: int
    kind: NoticeKind
    icon: str
    text: str
    names: str
    url: str
    count: int
    at: datetime
    is_unread: bool

    @property
    def kind_label(self) -> str:
        """What the kind is called."""
        return str(self.kind.label)


@dataclass(frozen=True, slots=True)
class Unread:
    """How many lines nobody has read, and when the latest came; None where there is none."""

    number: int
    at: datetime | None

    @property
    def shown(self) -> str:
        """The number as a badge shows it, ``99+`` at most."""
        return f"{COUNT_CAP}+" if self.number > COUNT_CAP else str(self.number)


@dataclass(frozen=True, slots=True)
class NotificationPage:
    """A page of the list, unread lines first; ``next`` is the ``after`` of the following page, "" on the last."""

    lines: tuple[NotificationLine, ...]
    next: str


def notifications_for(user: User) -> "QuerySet[Notification]":
    """What this person is shown: of kinds that their present roles are told of."""
    return Notification.objects.filter(user=user, in_app=True, kind__in=kinds_for(roles_of(user)))


# Every page of everybody asks it: as a queryset, putting it together took ten times as long as answering it.
_UNREAD: Final = """
SELECT count(*), max(at) FROM funnel_notification
WHERE user_id = %s AND read_at IS NULL AND in_app AND kind = ANY(%s)
"""


def unread_of(user: User) -> Unread:
    """What of ``notifications_for`` this person has not read; one query."""
    with connection.cursor() as cursor:
        cursor.execute(_UNREAD, [user.pk, [kind.value for kind in kinds_for(roles_of(user))]])
        return Unread(*cursor.fetchone())


def notification_page(*, user: User, after: str = "", size: int = PAGE_SIZE) -> NotificationPage:
    """One page of what this person was told: unread first, then by time; an unreadable ``after`` is none."""
    rows: list[Notification] = []
    mark = _read_mark(after)
    for is_read in (False, True):
        if mark is not None and mark[0] and not is_read:
            continue
        part = with_items(notifications_for(user).filter(read_at__isnull=not is_read)).order_by("-at", "-pk")
        if mark is not None and mark[0] == is_read:
            part = part.filter(Q(at__lt=mark[1]) | Q(at=mark[1], pk__lt=mark[2]))
        rows += part[: size + 1 - len(rows)]
        if len(rows) > size:
            break
    more, rows = len(rows) > size, rows[:size]
    return NotificationPage(tuple(notification_lines(rows)), _mark(rows[-1]) if more else "")


def told_since(user: User, since: datetime, *, most: int) -> list[NotificationLine]:
    """The unread lines that were added to after ``since``, the latest first."""
    rows = with_items(notifications_for(user).filter(read_at=None, at__gt=since)).order_by("-at", "-pk")[:most]
    return notification_lines(list(rows))


def with_items(rows: "QuerySet[Notification]") -> "QuerySet[Notification]":
    """Bring along the latest few things of each line, as ``first_items``."""
    latest = NotificationItem.objects.order_by("-pk")[:NAMED]
    return rows.prefetch_related(Prefetch("items", queryset=latest, to_attr="first_items"))


def notification_lines(rows: Sequence[Notification]) -> list[NotificationLine]:
    """Put rows of ``with_items`` into words; a fixed number of queries."""
    items: Mapping[int, Sequence[NotificationItem]] = {row.pk: vars(row)["first_items"] for row in rows}
    names = Names.of(item for few in items.values() for item in few)
    return [_line(row, items[row.pk], names) for row in rows]


def items_of(row: Notification) -> list[NoticeLine]:
    """Everything that one line tells of, the latest first; ``MOST_ITEMS`` at most."""
    found = list(row.items.order_by("-pk")[:MOST_ITEMS])
    return item_lines(found, kinds={row.pk: NoticeKind(row.kind)})


def item_lines(items: Sequence[NotificationItem], *, kinds: Mapping[int, NoticeKind]) -> list[NoticeLine]:
    """Put items into words, each of the kind of its notification; a fixed number of queries."""
    names = Names.of(items)
    return [NoticeLine(names.say(kinds[one.notification_id], one), names.url(one), one.at) for one in items]


def _line(row: Notification, items: Sequence[NotificationItem], names: "Names") -> NotificationLine:
    kind = NoticeKind(row.kind)
    if row.count == 1 and items:
        text, told, url = names.say(kind, items[0]), "", names.url(items[0])
    else:
        text, told = say_several(kind, row.count), say_names([names.who(item) for item in items], row.count)
        url = reverse("queue") if kind is NoticeKind.QUEUE else reverse("notification", args=[row.pk])
    return NotificationLine(
        id=row.pk,
        kind=kind,
        icon=KINDS[kind].icon,
        text=text,
        names=told,
        url=url,
        count=row.count,
        at=row.at,
        is_unread=row.read_at is None,
    )


@dataclass(frozen=True, slots=True)
class Names:
    """What contacts, people, stages and notices are called at this moment."""

    contacts: Mapping[int, Contact]
    people: Mapping[int, str]
    stages: Mapping[str, str]
    notices: Mapping[int, DefinitionNotice]

    @classmethod
    def of(cls, items: Iterable[NotificationItem]) -> "Names":
        """Look up what these items name; five queries at most."""
        told = list(items)
        contact_ids = {item.contact_id for item in told if item.contact_id is not None}
        roots = roots_of(contact_ids) if contact_ids else {}
        found = Contact.objects.in_bulk(set(roots.values())) if roots else {}
        by_ids = {item.by_id for item in told if item.by_id is not None}
        notice_ids = {item.data["notice"] for item in told if "notice" in item.data}
        return cls(
            contacts={asked: found[root] for asked, root in roots.items() if root in found},
            people={user.pk: name_of(user) for user in User.objects.filter(pk__in=by_ids)} if by_ids else {},
            stages=stage_labels() if any(item.what == "fell" for item in told) else {},
            notices=DefinitionNotice.objects.in_bulk(notice_ids) if notice_ids else {},
        )

    def who(self, item: NotificationItem) -> str:
        """What the item's contact is called."""
        contact = self.contacts.get(item.contact_id or 0)
        return contact.display_name if contact is not None else ""

    def say(self, kind: NoticeKind, item: NotificationItem) -> str:
        """The item's sentence."""
        data: Mapping[str, Any] = item.data
        notice = self.notices.get(data.get("notice", 0))
        words = {
            "who": self.who(item) or SOMEBODY,
            "by": self.people.get(item.by_id or 0, SOMEBODY),
            "from": self.stages.get(data.get("from", ""), data.get("from", "")),
            "to": self.stages.get(data.get("to", ""), data.get("to", "")),
            "reason": say_reason(data.get("reason", "")),
            "event": kind_phrase(data.get("kind", "")),
            "trouble": say_trouble(data.get("trouble", "")),
            "notice": notice.text if notice is not None else "A notice about a definition",
        }
        return say_one(kind, item.what, words=words)

    def url(self, item: NotificationItem) -> str:
        """Where the item leads."""
        if item.what == "starving":
            return reverse("queue")
        if item.what in {"proof", "trouble"}:
            return reverse("status")
        if "endpoint" in item.data:
            return reverse("hook", args=[item.data["endpoint"]])
        notice = self.notices.get(item.data.get("notice", 0))
        if notice is not None:
            return reverse("definition", args=[notice.definition_id])
        contact = self.contacts.get(item.contact_id or 0)
        if item.handoff_id is not None and contact is not None:
            return reverse("handoff", args=[item.handoff_id])
        return reverse("contact", args=[contact.pk]) if contact is not None else ""


def _mark(row: Notification) -> str:
    return f"{'r' if row.read_at else 'u'}.{row.at.isoformat()}.{row.pk}"


def _read_mark(after: str) -> tuple[bool, datetime, int] | None:
    """Whether the place is among the read ones, its time and its id."""
    part, _, rest = after.partition(".")
    moment, _, number = rest.rpartition(".")
    if part not in {"u", "r"} or not number.isdecimal() or not number.isascii() or len(number) > 18:
        return None
    try:
        at = datetime.fromisoformat(moment)
    except ValueError:
        return None
    return (part == "r", at, int(number)) if at.tzinfo is not None else None
