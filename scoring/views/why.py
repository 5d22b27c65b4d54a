"""The page that says why a contact stands where it stands: at any moment, under any definition, beside anybody."""

from dataclasses import dataclass, replace
from datetime import date, datetime, time
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_safe

from config.web.formats import format_decimal, format_number, format_score
from config.web.pages import link_with, page
from config.web.ui import Criterion, LedgerLine
from contacts.models import Contact
from contacts.permissions import check_view_contacts
from contacts.selectors.naming import find_contact
from contacts.selectors.search import Hit, find_best
from scoring.models import Definition
from scoring.selectors import find_definition
from scoring.selectors.definitions import definitions_to_choose
from scoring.selectors.header import ContactHeader
from scoring.selectors.pins import ShownPin, shown_pin
from scoring.selectors.timeline import sentence_case
from scoring.services.contrast import contrast_contacts
from scoring.services.explain import explain_contact
from scoring.services.sentences import answer_words
from scoring.views.contact_head import contact_tabs, header_or_404
from scoring.wording import in_sentence, kind_phrase

# Events with a line of their own on the page, the weightiest; the others are summed by signal until somebody asks.
_LINES = 25
# Contacts to choose from where a name is typed to compare with.
_FOUND = 6
# Factors of a likelihood shown on each side; the others stand together on one line.
_FACTORS = 5


@dataclass(frozen=True, slots=True)
class StageCriteria:
    """The criteria of a stage as trees to draw; empty where the stage has none.

    ``here``: the contact stands there; ``open``: near enough to where it stands to be shown at once.
    """

    key: str
    label: str
    here: bool
    open: bool
    enter: tuple[Criterion, ...]
    keep: tuple[Criterion, ...]


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the page's form asks for, and what of it makes no sense."""

    at: datetime
    day: date | None
    definition: Definition | None
    other: Contact | None
    found: tuple[Hit, ...]
    errors: dict[str, str]


@page(check_view_contacts)
@require_safe
def why(request: HttpRequest, contact_id: int) -> HttpResponse:
    """Say why the contact stands where it stands.

    Query: ``at`` (YYYY-MM-DD: at the end of that day; now when left out), ``definition`` (key@version: as if it had
    always been in force), ``compare_with`` (id, e-mail or name of another contact), ``ledger=all`` (every event by
    itself).
    """
    now = timezone.now()
    header = header_or_404(request, contact_id, now)
    asked = _read(request, now, header)
    every_line = request.GET.get("ledger") == "all"
    explained = explain_contact(
        contact_id=contact_id,
        at=asked.at,
        definition=asked.definition,
        ledger_lines=None if every_line else _LINES,
    )
    past = asked.at != now
    change, scores = explained["next_change"], explained["scores"]
    if not past and asked.definition is None:
        header = replace(
            header, engagement_mp=_milli(scores["engagement"]), fit_mp=_milli(scores["fit"]), scores_at=now
        )
    context = {
        "header": header,
        "tabs": contact_tabs(contact_id, "why"),
        "why": explained,
        "pin": _pin(header, asked, past=past),
        "version": explained["definition"].replace("@", " v"),
        "asked": asked,
        "past": past,
        "date": asked.day.isoformat() if asked.day else "",
        "today": timezone.localdate(now).isoformat(),
        "definitions": [(f"{row.key}@{row.version}", _named(row)) for row in definitions_to_choose()],
        "chosen": f"{asked.definition.key}@{asked.definition.version}" if asked.definition else "",
        "compare_with": request.GET.get("compare_with", "").replace("\0", ""),
        "found": [(hit.contact, link_with(request.GET, compare_with=str(hit.contact.pk))) for hit in asked.found],
        "contrast": _contrast(contact_id, asked),
        "unmet": _unmet_of(explained),
        "next_title": _next_title(explained),
        "change_at": datetime.fromisoformat(change["at"]) if change else None,
        "lines": [ledger_line(line) for line in explained["ledger"]],
        "every_line": every_line,
        "every_line_url": link_with(request.GET, ledger="all") if any(map(_is_sum, explained["ledger"])) else "",
        "fewer_lines_url": link_with(request.GET, ledger=None),
        "engagement_total": _milli(scores["engagement"]),
        "engagement_aside": gettext("%(points)s points") % {"points": format_score(_milli(scores["engagement"]))},
        "fit_lines": [
            {**line, "value": answer_words(line["value"]), "points": _milli(line["points"])}
            for line in explained["fit_ledger"]
        ],
        "fit_total": _milli(scores["fit"]),
        "fit_aside": _needed(_milli(scores["fit"]), _milli(scores["fit_threshold"])),
        "likelihood": _likelihood(explained["likelihood"]),
        "stages": _stages(explained),
    }
    return render(request, "scoring/why.html", context)


def _next_title(explained: dict[str, Any]) -> str:
    following = explained["next_stage"]
    if following is None:
        return gettext("Next")
    return gettext("To become a %(stage)s") % {"stage": in_sentence(following["label"])}


def _needed(fit: int, threshold: int) -> str:
    if not threshold:
        return ""
    return gettext("%(points)s of %(needed)s needed") % {
        "points": format_score(fit),
        "needed": format_score(threshold),
    }


def _pin(header: ContactHeader, asked: _Asked, *, past: bool) -> ShownPin | None:
    """The pin of the day that was asked about; another definition knows of none."""
    if asked.definition is not None:
        return None
    return shown_pin(header.contact.pk, header.document, at=asked.at) if past else header.pin


def _named(row: Definition) -> str:
    return f"{row.name} v{row.version} ({row.get_state_display()})"


def _read(request: HttpRequest, now: datetime, header: ContactHeader) -> _Asked:
    """Read the form; what makes no sense is left out with a remark."""
    today = timezone.localdate(now)
    errors: dict[str, str] = {}
    day, errors["at"] = _read_day(request.GET.get("at", ""), today=today)
    definition, other = None, None
    found: tuple[Hit, ...] = ()
    if name := request.GET.get("definition", "").replace("\0", ""):
        try:
            definition = find_definition(name)
        except Definition.DoesNotExist:
            errors["definition"] = gettext("There is no such definition; this is under the one in force.")
    if name := request.GET.get("compare_with", "").replace("\0", "").strip():
        try:
            other = find_contact(name)
        except Contact.DoesNotExist:
            stages = [stage.key for stage in header.document.stages]
            hits = find_best(name, limit=_FOUND + 1, stages=stages).rows
            found = tuple(hit for hit in hits if hit.contact.pk != header.contact.pk)[:_FOUND]
            if len(found) == 1 and not found[0].similar:
                other, found = found[0].contact, ()
            elif not found:
                errors["compare_with"] = gettext("There is no contact of this name, id or e-mail address.")
    at = _end_of(day) if day is not None and day < today else now
    return _Asked(at, day, definition, other, found, {name: text for name, text in errors.items() if text})


def _read_day(text: str, *, today: date) -> tuple[date | None, str]:
    """Read the date picker's value; a bad or future day gives the present and a remark."""
    if not text:
        return None, ""
    try:
        day = parse_date(text)
    except ValueError:
        day = None
    if day is None:
        return None, gettext("That is no date; this is how it stands now.")
    if day > today:
        return None, gettext("That day has not come; this is how it stands now.")
    if day.year < 2000:
        return None, gettext("Nothing is judged before the year 2000; this is how it stands now.")
    return day, ""


def _end_of(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.max))


def _milli(points: float) -> int:
    return round(points * 1_000)


def _is_sum(line: dict[str, Any]) -> bool:
    """Whether a ledger line stands for further events of its rule."""
    return line["event"] is None and not line["cap"]


def ledger_line(line: dict[str, Any]) -> LedgerLine:
    """Turn an explanation's ledger line into a row; what happened for events, the cap's words for caps."""
    if line["cap"]:
        return LedgerLine(
            what=line["label"], rule=gettext("Cap"), at=None, raw=None, total=_milli(line["points"]), adjustment=True
        )
    decay = f"\N{MULTIPLICATION SIGN} {format_decimal(line['decay'], 3)}" if line["decay"] < 1 else ""
    if _is_sum(line):
        return LedgerLine(
            what=ngettext("%(number)s further event", "%(number)s further events", line["events"])
            % {"number": format_number(line["events"])},
            rule=line["label"],
            at=None,
            raw=_milli(line["raw"]),
            total=_milli(line["points"]),
            decay=decay,
            note=line["label"],
        )
    return LedgerLine(
        what=sentence_case(kind_phrase(line["kind"] or "")),
        rule=line["label"],
        at=datetime.fromisoformat(line["occurred_at"]),
        raw=_milli(line["raw"]),
        total=_milli(line["points"]),
        decay=decay,
    )


def _likelihood(found: dict[str, Any] | None) -> dict[str, Any] | None:
    """The likelihood with its strongest factors for and against, and what the rest comes to."""
    if found is None:
        return None
    told = [{**line, "adds": _signed(line["log_odds"])} for line in found["factors"]]
    everybody = next(line for line in told if line["rule"] is None)
    lines = [line for line in told if line["rule"] is not None]
    up = [line for line in lines if line["log_odds"] > 0]
    down = [line for line in lines if line["log_odds"] < 0]
    rest = [*up[_FACTORS:], *down[_FACTORS:]]
    return {
        **found,
        "aside": format_decimal(found["likelihood"], 2),
        "up": up[:_FACTORS],
        "down": down[:_FACTORS],
        "base": everybody["adds"],
        "rest": {"number": len(rest), "adds": _signed(sum(line["log_odds"] for line in rest))} if rest else None,
        "trained_at": datetime.fromisoformat(found["trained_at"]) if found["trained_at"] else None,
    }


def _signed(log_odds: float) -> str:
    sign = "\N{MINUS SIGN}" if round(log_odds, 2) < 0 else "+"
    return f"{sign}{format_decimal(abs(log_odds), 2)}"


def _contrast(contact_id: int, asked: _Asked) -> dict[str, Any] | None:
    """The comparison with another contact, its criteria grouped by stage and what they are for."""
    if asked.other is None:
        return None
    found = contrast_contacts(contact_id=contact_id, other_id=asked.other.pk, at=asked.at, definition=asked.definition)
    stages: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for row in found["criteria"]:
        stages.setdefault((row["stage"], row["label"], row["criteria"]), []).append(row)
    return {
        **found,
        "sides": [
            {
                **side,
                "engagement": _milli(side["scores"]["engagement"]),
                "fit": _milli(side["scores"]["fit"]),
                "likelihood": side["scores"]["likelihood"],
            }
            for side in (found["contact"], found["other"])
        ],
        "stages": [
            {"key": key, "label": label, "criteria": criteria, "rows": rows}
            for (key, label, criteria), rows in stages.items()
        ],
        "signals": [
            {**row, "sides": [{**row[name], "points": _milli(row[name]["points"])} for name in ("contact", "other")]}
            for row in found["signals"]
        ],
        "fit": [
            {**row, "sides": [{**row[name], "points": _milli(row[name]["points"])} for name in ("contact", "other")]}
            for row in found["fit"]
        ],
    }


def _stages(explained: dict[str, Any]) -> list[StageCriteria]:
    """The stages, strongest first; those around where the contact stands are shown at once, the others folded."""
    keys = [stage["stage"] for stage in explained["criteria"]]
    here = keys.index(explained["stage"]["key"])
    rows = [
        StageCriteria(
            key=stage["stage"],
            label=stage["label"],
            here=rank == here,
            open=abs(rank - here) <= 1,
            enter=(_criterion(stage["enter"]),) if stage["enter"] else (),
            keep=(_criterion(stage["keep"]),) if stage["keep"] else (),
        )
        for rank, stage in enumerate(explained["criteria"])
    ]
    return rows[::-1]


def _unmet_of(explained: dict[str, Any]) -> list[Criterion]:
    """Return what is missing for the next stage: the unmet parts of its criteria, alternatives below one another."""
    following = explained["next_stage"]
    if following is None:
        return []
    trees = (stage["enter"] for stage in explained["criteria"] if stage["stage"] == following["key"])
    missing = [_unmet(_criterion(tree)) for tree in trees if tree and not tree["met"]]
    # A list says "all of these" by itself; alternatives must stay below their heading.
    together = sentence_case(gettext("all of these"))
    return [part for root in missing for part in (root.children if root.text == together else (root,))]


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
