"""Reads of the audit log."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from contacts.audit import AuditAct, AuditChannel, AuditThing
from contacts.models import AuditEntry

PAGE_SIZE: Final = 100

# Which page shows a thing; what has none is only named.
_PAGES: Final = {
    AuditThing.PERSON: "member",
    AuditThing.SOURCE: "source",
    AuditThing.FORM: "form-edit",
    AuditThing.WEBHOOK: "hook",
    AuditThing.DELIVERY: "hook-delivery",
    AuditThing.DEFINITION: "definition",
    AuditThing.RUN: "run",
    AuditThing.RULE: "routing-rule",
    AuditThing.CALENDAR: "calendar",
    AuditThing.SEQUENCE: "sequence",
    AuditThing.CONTACT: "contact",
    AuditThing.HANDOFF: "handoff",
    AuditThing.IMPORT: "import",
    AuditThing.JOB: "job",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines: empty fields ask for nothing. ``last`` is a whole day; ``before`` the id to go on before."""

    actor: int | None = None
    act: str = ""
    thing: str = ""
    thing_id: str = ""
    first: date | None = None
    last: date | None = None
    before: int | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A line in words: ``details`` are pairs of a name and a text, ``url`` the page of what it is about."""

    entry: AuditEntry
    who: str
    act: str
    thing: str
    url: str
    channel: str
    details: list[tuple[str, str]]


def lines(wanted: Wanted, *, limit: int = PAGE_SIZE) -> tuple[list[Line], int | None]:
    """Return a page of the log, latest first, and the id to go on before, None on the last page. One query."""
    rows: QuerySet[AuditEntry] = AuditEntry.objects.select_related("actor").order_by("-id")
    exact: dict[str, Any] = {
        "actor": wanted.actor, "act": wanted.act, "thing": wanted.thing, "thing_id": wanted.thing_id
    }  # fmt: skip
    rows = rows.filter(**{name: value for name, value in exact.items() if value})
    if wanted.first is not None:
        rows = rows.filter(at__gte=_midnight(wanted.first))
    if wanted.last is not None:
        rows = rows.filter(at__lt=_midnight(wanted.last + timedelta(days=1)))
    if wanted.before is not None:
        rows = rows.filter(pk__lt=wanted.before)
    found = list(rows[: limit + 1])
    return [_line(row) for row in found[:limit]], found[limit - 1].pk if len(found) > limit else None


def actors() -> list[tuple[int, str]]:
    """Return everybody who may have lines, by name. One query."""
    people = User.objects.order_by("first_name", "last_name", "username")
    return [(one.pk, one.get_full_name() or one.get_username()) for one in people]


def _line(entry: AuditEntry) -> Line:
    thing = str(AuditThing(entry.thing).label) if entry.thing else ""
    details = [(name.replace("_", " "), _told(value)) for name, value in sorted(entry.details.items())]
    return Line(
        entry=entry,
        who=entry.actor_label,
        act=str(AuditAct(entry.act).label),
        thing=thing,
        url=_page_of(entry),
        channel=str(AuditChannel(entry.channel).label),
        details=details,
    )


def _page_of(entry: AuditEntry) -> str:
    name = _PAGES.get(AuditThing(entry.thing)) if entry.thing else None
    if name is None or not entry.thing_id.isdecimal():
        return ""
    try:
        return reverse(name, args=[entry.thing_id])
    except NoReverseMatch:
        return ""


def _told(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))
