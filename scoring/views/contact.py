"""The pages of one contact that need its facts and judgement: timeline and why."""

from dataclasses import dataclass, replace
from datetime import date, datetime, time
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.views.decorators.http import require_safe

from config.web.formats import format_score
from config.web.pages import link_with, page, person_of
from config.web.ui import Criterion, LedgerLine, MenuItem, Tab, TimelineDay, TimelineItem
from contacts.enums import Initiator
from contacts.models import Contact
from contacts.permissions import can_correct_events, check_view_contacts
from contacts.selectors.corrections import retractions_of
from scoring.selectors.header import ContactHeader, contact_header
from scoring.selectors.timeline import TimelinePage, contact_timeline, kinds_of, sentence_case
from scoring.services.explain import explain_contact
from scoring.wording import kind_phrase

_INITIATORS = ((Initiator.THEM, "The contact"), (Initiator.US, "We"), (Initiator.BOTH, "Both sides"))

# What scoring.wording calls a group whose parts are all needed.
_ALL = "All of these"


@dataclass(frozen=True, slots=True)
class StageCriteria:
    """The criteria of a stage as trees to draw; empty where the stage has none."""

    key: str
    label: str
    here: bool
    enter: tuple[Criterion, ...]
    keep: tuple[Criterion, ...]


def header_or_404(request: HttpRequest, contact_id: int, now: datetime) -> ContactHeader:
    """Return the head of the contact's pages, or answer 404."""
    try:
        return contact_header(contact_id=contact_id, user=person_of(request), now=now)
    except Contact.DoesNotExist as error:
        raise Http404("No such contact.") from error


def contact_tabs(contact_id: int, current: str) -> list[Tab]:
    """Return the tabs of a contact's pages; they live in several apps, so they are told by address."""
    places = (("Timeline", "", "history"), ("Why", "why/", "scale"), ("Journey", "journey/", "route"))
    return [
        Tab(label, f"/contacts/{contact_id}/{path}", current=label == current, icon=icon)
        for label, path, icon in places
    ]


@page(check_view_contacts)
@require_safe
def timeline(request: HttpRequest, contact_id: int) -> HttpResponse:
    """Show what happened and what it changed; filters ``kind`` and ``initiator``, older pages by ``before``."""
    now = timezone.now()
    header = header_or_404(request, contact_id, now)
    kind, initiator, before = (request.GET.get(name, "").replace("\0", "") for name in ("kind", "initiator", "before"))
    found = contact_timeline(
        contact_id=contact_id,
        labels={stage.key: stage.label for stage in header.document.stages},
        now=now,
        kind=kind,
        initiator=initiator,
        before=before,
    )
    context = {
        "header": header,
        "tabs": contact_tabs(contact_id, "Timeline"),
        "page": found,
        "days": _correctable(request, contact_id, found, now),
        "kind": kind,
        "initiator": initiator,
        "initiators": [(value.value, name) for value, name in _INITIATORS],
        "kinds": [(name, sentence_case(kind_phrase(name))) for name in kinds_of(contact_id=contact_id)],
        "older": bool(before),
        "next_url": f"{link_with(request.GET)}&before={found.next}" if found.next else "",
        "first_url": link_with(request.GET) if before else "",
    }
    return render(request, "scoring/timeline.html", context)


def _correctable(request: HttpRequest, contact_id: int, found: TimelinePage, now: datetime) -> list[TimelineDay]:
    """Say of retracted events who did it and why, and let those who may correct events do so; one query."""
    items = [item for group in found.days for item in group.items]
    reasons = retractions_of(event_ids=[item.event_id for item in items if item.retracted], now=now)
    may = can_correct_events(request.user)
    query = f"?{request.GET.urlencode()}" if request.GET else ""

    def corrected(item: TimelineItem) -> TimelineItem:
        if not item.event_id:
            return item
        told = [part for part in (item.detail, reasons.get(item.event_id, "")) if part]
        menu = _corrections(item, f"/contacts/{contact_id}/events/{item.event_id}", query) if may else ()
        return replace(item, detail=" \N{MIDDLE DOT} ".join(told), menu=menu)

    return [replace(group, items=tuple(corrected(item) for item in group.items)) for group in found.days]


def _corrections(item: TimelineItem, path: str, query: str) -> tuple[MenuItem, ...]:
    """What can be said of an event that is shown as it is."""
    if item.retracted:
        return (MenuItem("Restore", f"{path}/restore/{query}", "undo-2", post=True),)
    bot = MenuItem("Not a bot", f"{path}/human/{query}", "user-round", post=True)
    if not item.suspect:
        bot = MenuItem("Mark as bot", f"{path}/bot/{query}", "bot", post=True)
    return (bot, MenuItem("Retract (mistake)", f"{path}/retract/{query}", "circle-x", danger=True, post=True))


@page(check_view_contacts)
@require_safe
def why(request: HttpRequest, contact_id: int) -> HttpResponse:
    """Say why the contact stands where it stands, now or at the end of the day ``at`` (YYYY-MM-DD)."""
    now = timezone.now()
    header = header_or_404(request, contact_id, now)
    day, error = _read_day(request.GET.get("at", ""), today=timezone.localdate(now))
    at = _end_of(day) if day is not None and day < timezone.localdate(now) else now
    explained = explain_contact(contact_id=contact_id, at=at)
    change = explained["next_change"]
    scores = explained["scores"]
    if at == now:
        header = replace(
            header, engagement_mp=_milli(scores["engagement"]), fit_mp=_milli(scores["fit"]), scores_at=now
        )
    context = {
        "header": header,
        "tabs": contact_tabs(contact_id, "Why"),
        "why": explained,
        "version": explained["definition"].replace("@", " v"),
        "at": at,
        "past": at != now,
        "date": day.isoformat() if day else "",
        "today": timezone.localdate(now).isoformat(),
        "at_error": error,
        "unmet": _unmet_of(explained),
        "next_title": f"To become a {explained['next_stage']['label'].lower()}" if explained["next_stage"] else "Next",
        "change_at": datetime.fromisoformat(change["at"]) if change else None,
        "lines": [ledger_line(line) for line in explained["ledger"]],
        "engagement_total": _milli(scores["engagement"]),
        "engagement_aside": f"{format_score(_milli(scores['engagement']))} points",
        "fit_lines": [{**line, "points": _milli(line["points"])} for line in explained["fit_ledger"]],
        "fit_total": _milli(scores["fit"]),
        "fit_aside": f"{format_score(_milli(scores['fit']))} of {format_score(_milli(scores['fit_threshold']))} needed"
        if scores["fit_threshold"]
        else "",
        "stages": [_stage_criteria(stage, explained["stage"]["key"]) for stage in reversed(explained["criteria"])],
    }
    return render(request, "scoring/why.html", context)


def _read_day(text: str, *, today: date) -> tuple[date | None, str]:
    """Read the date picker's value; a bad or future day gives the present and a remark."""
    if not text:
        return None, ""
    try:
        day = parse_date(text)
    except ValueError:
        day = None
    if day is None:
        return None, "That is no date; this is how it stands now."
    if day > today:
        return None, "That day has not come; this is how it stands now."
    if day.year < 2000:
        return None, "Nothing is judged before the year 2000; this is how it stands now."
    return day, ""


def _end_of(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.max))


def _milli(points: float) -> int:
    return round(points * 1_000)


def ledger_line(line: dict[str, Any]) -> LedgerLine:
    """Turn an explanation's ledger line into a row; what happened for events, the cap's words for caps."""
    if line["cap"]:
        return LedgerLine(
            what=line["label"], rule="Cap", at=None, raw=None, total=_milli(line["points"]), adjustment=True
        )
    return LedgerLine(
        what=sentence_case(kind_phrase(line["kind"] or "")),
        rule=line["label"],
        at=datetime.fromisoformat(line["occurred_at"]),
        raw=_milli(line["raw"]),
        total=_milli(line["points"]),
        decay=f"\N{MULTIPLICATION SIGN} {line['decay']:.3f}" if line["decay"] < 1 else "",
    )


def _stage_criteria(stage: dict[str, Any], current: str) -> StageCriteria:
    return StageCriteria(
        key=stage["stage"],
        label=stage["label"],
        here=stage["stage"] == current,
        enter=(_criterion(stage["enter"]),) if stage["enter"] else (),
        keep=(_criterion(stage["keep"]),) if stage["keep"] else (),
    )


def _unmet_of(explained: dict[str, Any]) -> list[Criterion]:
    """Return what is missing for the next stage: the unmet parts of its criteria, alternatives below one another."""
    following = explained["next_stage"]
    if following is None:
        return []
    trees = (stage["enter"] for stage in explained["criteria"] if stage["stage"] == following["key"])
    missing = [_unmet(_criterion(tree)) for tree in trees if tree and not tree["met"]]
    # A list says "all of these" by itself; alternatives must stay below their heading.
    return [part for root in missing for part in (root.children if root.text == _ALL else (root,))]


def _unmet(node: Criterion) -> Criterion:
    below = tuple(_unmet(child) for child in node.children if not child.met)
    return below[0] if len(below) == 1 else replace(node, children=below)


def _criterion(node: dict[str, Any]) -> Criterion:
    return Criterion(
        text=sentence_case(node["text"]),
        met=node["met"],
        detail=node["found"],
        children=tuple(_criterion(child) for child in node["children"]),
    )
