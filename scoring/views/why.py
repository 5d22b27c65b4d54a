"""The page that says why a contact stands where it stands: at any moment, under any definition, beside anybody."""

from dataclasses import dataclass, replace
from datetime import date, datetime, time
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.views.decorators.http import require_safe

from config.web.formats import format_score
from config.web.pages import link_with, page
from config.web.ui import Criterion, LedgerLine
from contacts.models import Contact
from contacts.permissions import check_view_contacts
from contacts.selectors.naming import find_contact
from scoring.models import Definition
from scoring.selectors import find_definition
from scoring.selectors.definitions import definitions_to_choose
from scoring.selectors.timeline import sentence_case
from scoring.services.contrast import contrast_contacts
from scoring.services.explain import LEDGER_LINES, explain_contact
from scoring.views.contact_head import contact_tabs, header_or_404
from scoring.wording import kind_phrase

# What scoring.wording calls a group whose parts are all needed.
_ALL = "All of these"

# Factors of a likelihood shown on each side; the others stand together on one line.
_FACTORS = 5


@dataclass(frozen=True, slots=True)
class StageCriteria:
    """The criteria of a stage as trees to draw; empty where the stage has none."""

    key: str
    label: str
    here: bool
    enter: tuple[Criterion, ...]
    keep: tuple[Criterion, ...]


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the page's form asks for, and what of it makes no sense."""

    at: datetime
    day: date | None
    definition: Definition | None
    other: Contact | None
    errors: dict[str, str]


@page(check_view_contacts)
@require_safe
def why(request: HttpRequest, contact_id: int) -> HttpResponse:
    """Say why the contact stands where it stands.

    Query: ``at`` (YYYY-MM-DD: at the end of that day; now when left out), ``definition`` (key@version: as if it had
    always been in force), ``compare_with`` (id or e-mail of another contact), ``ledger=all`` (every event by itself).
    """
    now = timezone.now()
    header = header_or_404(request, contact_id, now)
    asked = _read(request, now)
    every_line = request.GET.get("ledger") == "all"
    explained = explain_contact(
        contact_id=contact_id,
        at=asked.at,
        definition=asked.definition,
        ledger_lines=None if every_line else LEDGER_LINES,
    )
    change, scores = explained["next_change"], explained["scores"]
    if asked.at == now and asked.definition is None:
        header = replace(
            header, engagement_mp=_milli(scores["engagement"]), fit_mp=_milli(scores["fit"]), scores_at=now
        )
    context = {
        "header": header,
        "tabs": contact_tabs(contact_id, "Why"),
        "why": explained,
        "version": explained["definition"].replace("@", " v"),
        "asked": asked,
        "past": asked.at != now,
        "date": asked.day.isoformat() if asked.day else "",
        "today": timezone.localdate(now).isoformat(),
        "definitions": [(f"{row.key}@{row.version}", _named(row)) for row in definitions_to_choose()],
        "chosen": f"{asked.definition.key}@{asked.definition.version}" if asked.definition else "",
        "compare_with": request.GET.get("compare_with", "").replace("\0", ""),
        "contrast": _contrast(contact_id, asked),
        "unmet": _unmet_of(explained),
        "next_title": f"To become a {explained['next_stage']['label'].lower()}" if explained["next_stage"] else "Next",
        "change_at": datetime.fromisoformat(change["at"]) if change else None,
        "lines": [ledger_line(line) for line in explained["ledger"]],
        "every_line_url": link_with(request.GET, ledger="all") if any(map(_is_sum, explained["ledger"])) else "",
        "engagement_total": _milli(scores["engagement"]),
        "engagement_aside": f"{format_score(_milli(scores['engagement']))} points",
        "fit_lines": [{**line, "points": _milli(line["points"])} for line in explained["fit_ledger"]],
        "fit_total": _milli(scores["fit"]),
        "fit_aside": f"{format_score(_milli(scores['fit']))} of {format_score(_milli(scores['fit_threshold']))} needed"
        if scores["fit_threshold"]
        else "",
        "likelihood": _likelihood(explained["likelihood"]),
        "stages": [_stage_criteria(stage, explained["stage"]["key"]) for stage in reversed(explained["criteria"])],
    }
    return render(request, "scoring/why.html", context)


def _named(row: Definition) -> str:
    return f"{row.name} v{row.version} ({row.get_state_display()})"


def _read(request: HttpRequest, now: datetime) -> _Asked:
    """Read the form; what makes no sense is left out with a remark."""
    today = timezone.localdate(now)
    errors: dict[str, str] = {}
    day, errors["at"] = _read_day(request.GET.get("at", ""), today=today)
    definition, other = None, None
    if name := request.GET.get("definition", "").replace("\0", ""):
        try:
            definition = find_definition(name)
        except Definition.DoesNotExist:
            errors["definition"] = "There is no such definition; this is under the one in force."
    if name := request.GET.get("compare_with", "").replace("\0", "").strip():
        try:
            other = find_contact(name)
        except Contact.DoesNotExist:
            errors["compare_with"] = "There is no contact with this id or e-mail address."
    at = _end_of(day) if day is not None and day < today else now
    return _Asked(at, day, definition, other, {name: text for name, text in errors.items() if text})


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


def _is_sum(line: dict[str, Any]) -> bool:
    """Whether a ledger line stands for further events of its rule."""
    return line["event"] is None and not line["cap"]


def ledger_line(line: dict[str, Any]) -> LedgerLine:
    """Turn an explanation's ledger line into a row; what happened for events, the cap's words for caps."""
    if line["cap"]:
        return LedgerLine(
            what=line["label"], rule="Cap", at=None, raw=None, total=_milli(line["points"]), adjustment=True
        )
    decay = f"\N{MULTIPLICATION SIGN} {line['decay']:.3f}" if line["decay"] < 1 else ""
    if _is_sum(line):
        return LedgerLine(
            what=f"{line['events']:,} further event{'' if line['events'] == 1 else 's'}",
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
        "aside": f"{found['likelihood']:.2f}",
        "up": up[:_FACTORS],
        "down": down[:_FACTORS],
        "base": everybody["adds"],
        "rest": {"number": len(rest), "adds": _signed(sum(line["log_odds"] for line in rest))} if rest else None,
        "trained_at": datetime.fromisoformat(found["trained_at"]) if found["trained_at"] else None,
    }


def _signed(log_odds: float) -> str:
    return f"{log_odds:+.2f}".replace("-", "\N{MINUS SIGN}")


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
