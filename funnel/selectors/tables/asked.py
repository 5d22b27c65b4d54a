"""What is asked of the funnel's figures: a period, a segment, and between which stages. Read from an address."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, Final

from django.utils.translation import gettext, gettext_noop

from contacts.enums import Direction, Motion
from funnel.analytics import Period, Segment
from funnel.selectors.figures import FACETS

# The value that asks for contacts of which it is not known.
UNKNOWN: Final = "(unknown)"
# Nothing is older: earlier events are refused.
BEGINNING: Final = date(2000, 1, 1)
DEFAULT_PRESET: Final = "90d"
PRESETS: Final = {
    "30d": gettext_noop("Last 30 days"),
    "90d": gettext_noop("Last 90 days"),
    "month": gettext_noop("This month"),
    "last_month": gettext_noop("Last month"),
    "quarter": gettext_noop("This quarter"),
    "year": gettext_noop("This year"),
    "12m": gettext_noop("Last 12 months"),
    "all": gettext_noop("All time"),
}
_LONGEST: Final = 255
_LARGEST: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Asked:
    """A question to the figures.

    ``preset`` names how the period was chosen ("" by dates). ``facet`` is a key of ``FACETS``; cohorts and sources ask
    about the way from ``origin`` to ``target``, two stages, the second the stronger.
    """

    period: Period
    preset: str
    segment: Segment
    facet: str
    origin: str
    target: str


# Parameters of a segment, by its fields.
_TEXTS: Final = ("source", "motion", "campaign", "country", "direction", "industry")
_NUMBERS: Final = {
    "company": "company_id",
    "employees_at_least": "employees_at_least",
    "employees_at_most": "employees_at_most",
}
_CHOICES: Final[Mapping[str, Sequence[str]]] = {"motion": Motion.values, "direction": Direction.values}
PARAMETERS: Final = ("period", "from", "to", *_TEXTS, *_NUMBERS, "by", "origin", "target")


def read_asked(given: Mapping[str, str], *, stages: Sequence[str], today: date) -> tuple[Asked, dict[str, str]]:
    """Return what the parameters of an address ask for, and what is wrong with those that cannot be read.

    What is wrong is left out of the question, so a page may show the rest; an API refuses. ``stages`` are the keys in
    use, weakest first. An empty parameter asks nothing.
    """
    wrong: dict[str, str] = {}
    period, preset = _period(given, wrong, today=today)
    fields: dict[str, Any] = {}
    for name in _TEXTS:
        if text := given.get(name, "").strip():
            fields[name] = _text(name, text, wrong)
    for name, column in _NUMBERS.items():
        if text := given.get(name, "").strip():
            fields[column] = _number(name, text, wrong)
    facet = given.get("by") or "source"
    if facet not in FACETS:
        wrong["by"] = _one_of(FACETS)
        facet = "source"
    origin, target = _way(given, wrong, stages=stages)
    return Asked(period, preset, Segment(**fields), facet, origin, target), wrong


def written(asked: Asked) -> dict[str, str]:
    """The parameters that ask the same again: the reverse of ``read_asked``, without what goes without saying."""
    dates = {"from": asked.period.first.isoformat(), "to": asked.period.last.isoformat()}
    found = {"period": asked.preset} if asked.preset else dates
    for name in _TEXTS:
        if (value := getattr(asked.segment, name)) is not None:
            found[name] = value or UNKNOWN
    for name, column in _NUMBERS.items():
        if (number := getattr(asked.segment, column)) is not None:
            found[name] = str(number)
    return found | {"by": asked.facet, "origin": asked.origin, "target": asked.target}


def narrowed(segment: Segment, facet: str, value: str) -> Segment:
    """The part of a segment that has this value of a facet."""
    asked: Mapping[str, Any] = {facet: value}
    return replace(segment, **asked)


def _period(given: Mapping[str, str], wrong: dict[str, str], *, today: date) -> tuple[Period, str]:
    """Free dates go before a preset; one of the two alone reaches to the beginning, or to today."""
    dates: dict[str, date | None] = {"from": None, "to": None}
    for name in dates:
        if text := given.get(name, "").strip():
            try:
                dates[name] = date.fromisoformat(text)
            except ValueError:
                wrong[name] = gettext("A date such as 2026-03-31.")
    preset = given.get("period", "")
    if preset and preset not in PRESETS:
        wrong["period"] = _one_of(PRESETS)
        preset = ""
    first, last = dates["from"], dates["to"]
    if first or last:
        period = Period(first or BEGINNING, last or max(today, first or today))
        if period.first <= period.last and period.first >= BEGINNING:
            return period, ""
        wrong["from"] = gettext("Not after the last day, and not before 2000.")
    preset = preset or DEFAULT_PRESET
    return Period(*_preset_days(preset, today)), preset


def _preset_days(preset: str, today: date) -> tuple[date, date]:
    month = today.replace(day=1)
    days: Mapping[str, Callable[[], tuple[date, date]]] = {
        "30d": lambda: (today - timedelta(days=29), today),
        "90d": lambda: (today - timedelta(days=89), today),
        "month": lambda: (month, today),
        "last_month": lambda: ((month - timedelta(days=1)).replace(day=1), month - timedelta(days=1)),
        "quarter": lambda: (today.replace(month=(today.month - 1) // 3 * 3 + 1, day=1), today),
        "year": lambda: (today.replace(month=1, day=1), today),
        "12m": lambda: (month.replace(year=today.year - 1), today),
        "all": lambda: (BEGINNING, today),
    }
    return days[preset]()


def _one_of(values: Iterable[str]) -> str:
    return gettext("One of %(values)s.") % {"values": ", ".join(values)}


def _text(name: str, text: str, wrong: dict[str, str]) -> str | None:
    if text == UNKNOWN:
        return ""
    if name in _CHOICES and text not in _CHOICES[name]:
        wrong[name] = _one_of([*filter(None, _CHOICES[name]), UNKNOWN])
        return None
    if len(text) > _LONGEST or "\0" in text:
        wrong[name] = gettext("A text of at most %(number)d characters.") % {"number": _LONGEST}
        return None
    return text


def _number(name: str, text: str, wrong: dict[str, str]) -> int | None:
    if text.isascii() and text.isdigit() and len(text) < 11 and int(text) <= _LARGEST:
        return int(text)
    wrong[name] = gettext("A whole number.")
    return None


def _way(given: Mapping[str, str], wrong: dict[str, str], *, stages: Sequence[str]) -> tuple[str, str]:
    """From which stage to which stronger one: from the second weakest to the strongest, unless asked otherwise."""
    usual = stages[min(1, len(stages) - 2)], stages[-1]
    origin, target = given.get("origin") or usual[0], given.get("target") or usual[1]
    for name, key in (("origin", origin), ("target", target)):
        if key not in stages:
            wrong[name] = _one_of(stages)
    if "origin" in wrong or "target" in wrong:
        return usual
    if stages.index(origin) >= stages.index(target):
        wrong["target"] = gettext("A stage stronger than the origin.")
        return usual
    return origin, target
