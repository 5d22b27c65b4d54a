"""Observations of every contact at chosen moments of its past, read from one state of the database."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Any

import numpy as np
from django.db.models import QuerySet
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext

from config.web.formats import format_number
from contacts.models import Contact
from contacts.services.work import CannotRun, Progress
from scoring.definition import Criterion, DefinitionDocument, Match
from scoring.definition.document import Evidence, children_of
from scoring.engine import NEVER, UNKNOWN_PAST, Assessor, Compiled, KindFacts
from scoring.engine.facts import DAY
from scoring.engine.observing import Mode, Observations, Observer, Schedule
from scoring.matching import load_kinds
from scoring.moments import to_micros
from scoring.selectors import load_facts
from scoring.services.ranges import contact_ranges
from scoring.services.snapshots import Snapshot, open_snapshot
from scoring.wording import either

MODES: tuple[Mode, ...] = ("month-ends", "own-times")
HORIZON_DAYS = 90
LONGEST_HORIZON_DAYS = 3_650

# What counts as an outcome where a definition's customer stage does not say.
OUTCOME_KINDS = ("purchased", "converted")


@dataclass(frozen=True, slots=True)
class ObservationTimes:
    """When contacts are observed, see ``scoring.engine.observing.Schedule``; the period is the whole history if None.

    An outcome counts for an observation when it comes within ``horizon_days`` after it.
    """

    mode: Mode = "month-ends"
    horizon_days: int = HORIZON_DAYS
    since: datetime | None = None
    until: datetime | None = None

    def schedule(self, now: datetime) -> Schedule:
        """The moments as the engine takes them.

        Raises:
            CannotRun: the mode is unknown, the horizon out of range or the period empty.
        """
        if self.mode not in MODES:
            message = gettext("%(mode)s is no way to choose moments; use %(modes)s.")
            raise CannotRun(message % {"mode": repr(self.mode), "modes": either(MODES)})
        if not 1 <= self.horizon_days <= LONGEST_HORIZON_DAYS:
            message = gettext("The horizon must lie between 1 and %(most)s days.")
            raise CannotRun(message % {"most": format_number(LONGEST_HORIZON_DAYS)})
        if self.since is not None and self.until is not None and self.until < self.since:
            raise CannotRun(gettext("The period ends before it begins; choose a later end."))
        return Schedule(
            mode=self.mode,
            now=to_micros(now),
            horizon=self.horizon_days * DAY,
            since=UNKNOWN_PAST if self.since is None else to_micros(self.since),
            until=NEVER if self.until is None else to_micros(self.until),
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is foreseen: a contact's first event of an evidence of the definition, or else of one of these kinds."""

    evidence: str = ""
    kinds: tuple[str, ...] = ()

    def events(self, document: DefinitionDocument, kinds: Iterable[KindFacts]) -> Evidence:
        """The events that are meant, with their name in words.

        Raises:
            CannotRun: the definition has no such evidence, there is no such kind, or nothing was named.
        """
        if self.evidence:
            if self.evidence not in document.evidence:
                message = gettext("%(name)s is no evidence of this definition; it has none.")
                if document.evidence:
                    message = gettext("%(name)s is no evidence of this definition; it has %(known)s.")
                said = {"name": repr(self.evidence), "known": ", ".join(sorted(document.evidence))}
                raise CannotRun(message % said)
            return document.evidence[self.evidence]
        unknown = sorted(set(self.kinds) - {kind.name for kind in kinds})
        if unknown:
            message = gettext("%(name)s is neither an evidence of this definition nor an event kind.")
            raise CannotRun(message % {"name": repr(unknown[0])})
        if not self.kinds:
            raise CannotRun(gettext("Say what counts as the outcome: an evidence of the definition, or event kinds."))
        label = " or ".join(f'"{kind.replace("_", " ")}"' for kind in self.kinds)
        return Evidence(label=label, any_of=(Match(kinds=self.kinds),))

    def __str__(self) -> str:
        return self.evidence or ",".join(self.kinds)


def default_outcome(document: DefinitionDocument) -> Outcome:
    """The evidence that the customer stage's enter criteria count; without one the kinds OUTCOME_KINDS."""
    for stage in document.stages:
        if stage.key == "customer" and stage.enter is not None:
            for leaf in _wanted_leaves(stage.enter):
                if leaf.count is not None and leaf.count.of in document.evidence:
                    return Outcome(evidence=leaf.count.of)
    return Outcome(kinds=OUTCOME_KINDS)


def read_outcome(text: str, document: DefinitionDocument) -> Outcome:
    """The outcome that a person named: an evidence key, or event kinds with commas; nothing gives the default."""
    named = [part.strip() for part in text.split(",") if part.strip()]
    if not named:
        return default_outcome(document)
    if len(named) == 1 and named[0] in document.evidence:
        return Outcome(evidence=named[0])
    return Outcome(kinds=tuple(named))


def read_times(parameters: Mapping[str, Any]) -> ObservationTimes:
    """When to observe, from what somebody asked for, as text or numbers; what is missing or empty is as by default.

    ``mode``, ``horizon_days``, ``since`` and ``until`` (ISO dates or times; a date as ``until`` includes that day;
    without an offset UTC). Other parameters are ignored.

    Raises:
        CannotRun: a value cannot be read; the message names it.
    """
    horizon = parameters.get("horizon_days")
    if horizon in (None, ""):
        horizon = HORIZON_DAYS
    elif isinstance(horizon, bool) or not (str(horizon).isascii() and str(horizon).isdecimal()):
        message = gettext("horizon_days must be a whole number of days, not %(value)s.")
        raise CannotRun(message % {"value": repr(horizon)})
    return ObservationTimes(
        mode=parameters.get("mode") or "month-ends",
        horizon_days=int(horizon),
        since=_moment(parameters, "since", time.min),
        until=_moment(parameters, "until", time.max),
    )


def _moment(parameters: Mapping[str, Any], name: str, time_of_day: time) -> datetime | None:
    text = str(parameters.get(name) or "")
    if not text:
        return None
    try:
        day = parse_date(text)
        at = parse_datetime(text) if day is None else datetime.combine(day, time_of_day)
    except ValueError:
        at = None
    if at is None:
        message = gettext("%(name)s must be a date such as 2026-01-31, not %(value)s.")
        raise CannotRun(message % {"name": name, "value": repr(text)})
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _wanted_leaves(node: Criterion) -> Iterator[Criterion]:
    """The leaves that help to meet a criterion: not those below a ``not``."""
    if node.not_ is not None:
        return
    children = children_of(node)
    if not children:
        yield node
    for child in children:
        yield from _wanted_leaves(child)


def observe(
    compiled: Compiled,
    *,
    times: ObservationTimes,
    outcome: Outcome,
    now: datetime,
    progress: Progress,
    connections: int = 1,
    chunk: int = 5_000,
) -> Iterator[Observations]:
    """Observe every contact under a definition as if it had always been in force, ``chunk`` ids at a time.

    Everything is read in one snapshot on connections of its own (inside a transaction of the caller, what that sees);
    nothing is written. ``progress`` counts contacts. A contact is never split over two parts.

    Raises:
        CannotRun: the moments or the outcome make no sense; the message says why.
        Cancelled: by ``progress``.
    """
    kinds = load_kinds()
    document = compiled.document
    schedule = times.schedule(now)
    observer = Observer(document, kinds, outcome=outcome.events(document, kinds), version=compiled.version)
    with open_snapshot(connections) as snapshot:
        yield from _observe(snapshot, observer, schedule, now, progress, chunk)


def _observe(
    snapshot: Snapshot, observer: Observer, schedule: Schedule, now: datetime, progress: Progress, chunk: int
) -> Iterator[Observations]:
    total, ranges = snapshot.call(lambda: (_present().count(), list(contact_ranges(chunk))))
    progress.begin(total)
    for found in snapshot.map(lambda bounds: _observe_range(observer, schedule, now, *bounds), ranges):
        if found is not None:
            yield found
            progress.advance(found.contacts)


def _observe_range(observer: Observer, schedule: Schedule, now: datetime, first: int, last: int) -> Observations | None:
    present = _present().filter(id__gte=first, id__lte=last).order_by("id").values_list("id", flat=True)
    ids = np.array(list(present), dtype=np.int64)
    if not len(ids):
        return None
    # A part's own: what it remembers of free text goes with it.
    assessor = Assessor(observer.compiled.document)
    return observer.observe(load_facts(ids, observer.compiled, assessor, until=now), ids, schedule)


def _present() -> QuerySet[Contact]:
    """Contacts that were not merged away: their facts are with the contact they became."""
    return Contact.objects.filter(present=True)
