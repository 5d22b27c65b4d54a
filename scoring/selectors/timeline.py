"""A contact's timeline: what happened and what it changed, interleaved, newest first."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from typing import Any, Final

from django.db.models import F, Q
from django.db.models.fields.tuple_lookups import Tuple, TupleLessThan
from django.utils import timezone
from django.utils.translation import gettext, gettext_noop, pgettext

from config.web.formats import format_day, format_weekday
from config.web.icons import kind_icon
from config.web.ui import TimelineDay, TimelineItem, Tone
from contacts.enums import Direction, Initiator
from contacts.models import Event, Kind
from contacts.selectors.pins import PINNED, read_pin
from scoring.enums import Cause
from scoring.matching import JUDGED
from scoring.models import Transition
from scoring.moments import to_datetime, to_micros
from scoring.wording import kind_phrase

PAGE_SIZE = 60
_PARTS: Final = (JUDGED, ~JUDGED)
_DETAIL_KEYS: Final = (
    "title", "subject", "name", "asset", "event", "url", "page", "path", "campaign", "plan", "product", "amount",
    "reason",
)  # fmt: skip
# What came of an activity, as those who log one choose it; of what others send the word itself is shown.
_RESULTS: Final = {
    "no_answer": gettext_noop("no answer"),
    "left_message": gettext_noop("left a message"),
    "wrong_number": gettext_noop("wrong number"),
    "interested": gettext_noop("interested"),
    "call_back": gettext_noop("wants to hear from us again"),
    "not_now": gettext_noop("not now"),
    "not_interested": gettext_noop("not interested"),
}
# Which side began says the kind itself, of most.
_BEGUN_BY_EITHER: Final = ("call_connected", "chat_started", "meeting_held")


@dataclass(frozen=True, slots=True)
class TimelinePage:
    """A page of the timeline; ``next`` is the ``before`` of the older one, ``""`` on the last."""

    days: tuple[TimelineDay, ...]
    next: str
    events: int


def contact_timeline(
    *,
    contact_id: int,
    labels: dict[str, str],
    now: datetime,
    kind: str = "",
    initiator: str = "",
    before: str = "",
    limit: int = PAGE_SIZE,
) -> TimelinePage:
    """Return a page of events with the changes of stage of the same stretch of time; three queries.

    ``labels`` are the stage labels in use. ``kind`` and ``initiator`` narrow the events, and then hide the changes of
    stage. An unreadable ``before`` gives the newest page.
    """
    mark = _read_mark(before)
    chosen = Q(contact_id=contact_id)
    if kind:
        chosen &= Q(kind__maps_to=None, kind__name=kind) | Q(kind__maps_to__name=kind)
    if initiator in Initiator.values and initiator:
        chosen &= Q(kind__maps_to=None, kind__initiator=initiator) | Q(kind__maps_to__initiator=initiator)
    events = _latest_events(chosen, mark, limit + 1)
    more, events = len(events) > limit, events[:limit]
    changes: list[Transition] = []
    if not kind and not initiator:
        span = Q(contact_id=contact_id, superseded_at=None)
        if more:
            span &= Q(effective_at__gte=events[-1].occurred_at)
        if mark is not None:
            span &= Q(effective_at__lt=mark[0])
        changes = list(
            Transition.objects.filter(span)
            .select_related("cause_event__kind__maps_to", "definition")
            .order_by("-effective_at", "-id")[:limit]
        )
    items = [*(change_item(change, labels) for change in changes), *(event_item(event, labels) for event in events)]
    # Stable: at one moment the change of stage stands above the event that caused it.
    items.sort(key=lambda item: item.at, reverse=True)
    return TimelinePage(
        days=tuple(by_day(items, now=now)),
        next=f"{to_micros(events[-1].occurred_at)}_{events[-1].pk}" if more else "",
        events=len(events),
    )


def event_item(event: Event, labels: Mapping[str, str] | None = None) -> TimelineItem:
    """Describe an event for a timeline; ``kind`` (with ``maps_to``), ``source`` and ``recorded_by`` must be loaded.

    ``labels`` are those of the stages, by key.
    """
    kind = event.kind.judged
    properties = event.properties if isinstance(event.properties, dict) else {}
    badges: list[tuple[str, Tone]] = []
    if event.retracted_at is not None:
        badges.append((gettext("retracted"), "bad"))
    if event.suspect_reason:
        badges.append((event.suspect_reason, "warn"))
    who = event.recorded_by.get_full_name() or event.recorded_by.get_username() if event.recorded_by else ""
    named = _text(properties.get("with"))
    details = [
        gettext("with %(name)s") % {"name": named} if named else "",
        _result(_text(properties.get("result"))),
        gettext("they began it")
        if properties.get("direction") == Direction.INBOUND and kind.name in _BEGUN_BY_EITHER
        else "",
        *(_text(properties.get(key)) for key in _DETAIL_KEYS if key != "reason" or kind.name != "handoff_returned"),
        gettext("sent as “%(kind)s”") % {"kind": event.kind.name} if kind is not event.kind else "",
        gettext("recorded by %(name)s") % {"name": who} if who and who != named else "",
        gettext("via %(source)s") % {"source": event.source.name} if not who and not event.kind.system else "",
    ]
    title, quote = sentence_case(kind_phrase(kind.name)), _text(properties.get("note"), limit=2_000)
    if kind.name == PINNED:
        title = _pinned(event, labels or {}) or title
    return TimelineItem(
        at=event.occurred_at,
        title=title,
        key=f"event-{event.pk}",
        icon=kind_icon(kind.name),
        detail=" \N{MIDDLE DOT} ".join(filter(None, details)),
        quote=quote,
        badges=tuple(badges),
        by_them=kind.initiator in (Initiator.THEM, Initiator.BOTH),
        void=event.retracted_at is not None or bool(event.suspect_reason),
        event_id=0 if event.kind.system else event.pk,
        retracted=event.retracted_at is not None,
        suspect=bool(event.suspect_reason),
    )


def _pinned(event: Event, labels: Mapping[str, str]) -> str:
    """What a pin says: ``Was pinned to “Lead” until 3 Dec``; ``""`` where it cannot be read."""
    pin = read_pin(event)
    if pin is None:
        return ""
    return gettext("Was pinned to “%(stage)s” until %(day)s") % {
        "stage": labels.get(pin.stage, pin.stage),
        "day": format_day(pin.until, now=event.occurred_at),
    }


def change_item(change: Transition, labels: dict[str, str]) -> TimelineItem:
    """Describe a change of stage for a timeline; ``cause_event`` with its kind, and ``definition`` must be loaded."""
    under = gettext("%(cause)s, under %(definition)s v%(version)s") % {
        "cause": sentence_case(cause_of(change)),
        "definition": change.definition.name,
        "version": change.definition.version,
    }
    return TimelineItem(
        at=change.effective_at,
        title="",
        key=f"change-{change.pk}",
        detail=under,
        stage=change.to_stage,
        stage_label=labels.get(change.to_stage, change.to_stage),
        stage_from=change.from_stage,
        stage_from_label=labels.get(change.from_stage, change.from_stage),
    )


def cause_of(change: Transition) -> str:
    """Say in words what made the change, as a clause: ``because it asked for a demo``."""
    if change.cause == Cause.EVENT and change.cause_event is not None:
        return gettext("because it %(did)s") % {"did": kind_phrase(change.cause_event.kind.judged.name)}
    causes = {
        Cause.TIME: gettext("because time passed"),
        Cause.ATTRIBUTE: gettext("because an attribute became known"),
        Cause.PUBLICATION: gettext("because a definition was published"),
        Cause.CREATED: gettext("because the contact became known"),
    }
    return causes.get(Cause(change.cause), gettext("because of an event"))


def by_day(items: Iterable[TimelineItem], *, now: datetime) -> list[TimelineDay]:
    """Group items, already in order, by the day of the current time zone."""
    today = timezone.localtime(now).date()
    groups = groupby(items, key=lambda item: timezone.localtime(item.at).date())
    return [TimelineDay(day=day, label=day_label(day, today=today), items=tuple(group)) for day, group in groups]


def day_label(day: date, *, today: date) -> str:
    """Name a day: today, yesterday, ``Friday 20 November``, with the year where it is another."""
    gap = (today - day).days
    if gap == 0:
        return pgettext("day", "Today")
    if gap == 1:
        return pgettext("day", "Yesterday")
    return format_weekday(day, today=today)


def sentence_case(text: str) -> str:
    """Begin with a capital and leave the rest alone."""
    return text[:1].upper() + text[1:]


def kinds_of(*, contact_id: int) -> Sequence[str]:
    """Return the names of the event kinds this contact has (of mapped ones what they mean), sorted; two queries."""
    judged, marked = (
        Event.objects.filter(part, contact_id=contact_id).order_by().values_list("kind_id").distinct()
        for part in _PARTS
    )
    kinds = {kind_id for (kind_id,) in judged.union(marked)}
    return sorted({kind.judged.name for kind in Kind.objects.filter(pk__in=kinds).select_related("maps_to")})


def _latest_events(chosen: Q, mark: tuple[datetime, int] | None, limit: int) -> list[Event]:
    """Return the latest of the chosen events before ``mark``, newest first; two queries.

    Judged and marked events stand in an index each; asked for both at once the database would read every event.
    """
    parts = []
    for part in _PARTS:
        rows = Event.objects.filter(part, chosen)
        if mark is not None:
            rows = rows.filter(TupleLessThan(Tuple(F("occurred_at"), F("id")), mark))
        parts.append(rows.order_by("-occurred_at", "-id").values_list("pk", "occurred_at")[:limit])
    latest = parts[0].union(parts[1], all=True).order_by("-occurred_at", "-pk")[:limit]
    keys = [key for key, _ in latest]
    events = Event.objects.select_related("kind__maps_to", "source", "recorded_by").in_bulk(keys)
    return [events[key] for key in keys]


def _result(text: str) -> str:
    known = _RESULTS.get(text)
    return gettext(known) if known else text.replace("_", " ")


def _text(value: Any, *, limit: int = 200) -> str:
    """Show a property where it is text or a number; structures stay out of sight."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return ""
    text = str(value).strip()
    return text if len(text) <= limit else f"{text[: limit - 1]}\N{HORIZONTAL ELLIPSIS}"


def _read_mark(before: str) -> tuple[datetime, int] | None:
    micros, _, key = before.partition("_")
    try:
        return to_datetime(int(micros)), int(key)
    except (ValueError, OverflowError):
        return None
