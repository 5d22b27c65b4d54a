"""The rows of every table, and who is behind each number."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Final

from django.utils.translation import gettext_lazy

from funnel.analytics import Period, Report, Segment
from funnel.enums import ReturnReason
from funnel.selectors.feedback import RuleReport, rule_report, source_feedback
from funnel.selectors.figures import Behind, Number, cohorts, report, shares
from funnel.selectors.handoff_figures import HandoffFigures, handoff_figures
from funnel.selectors.handoff_scope import share
from funnel.selectors.tables.asked import Asked, narrowed
from funnel.selectors.tables.specs import PARTS, TABLES, Cell, TableSpec


@dataclass(frozen=True, slots=True)
class PeopleBehind:
    """A number of contacts: which (see ``Behind``), and of which period and segment where not of the table's."""

    behind: Behind
    period: Period | None = None
    segment: Segment | None = None


@dataclass(frozen=True, slots=True)
class HandoffsBehind:
    """A number of handoffs that were offered in the period, or of their turns: what the list of them is asked by."""

    asked: Mapping[str, str]
    segment: Segment | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A row: a cell for each column's key, and who is behind some of them."""

    cells: Mapping[str, Cell]
    behind: Mapping[str, PeopleBehind | HandoffsBehind] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FigureTable:
    """A table with its rows."""

    spec: TableSpec
    rows: tuple[Row, ...]


_OFFER_ROWS: Final = (
    ("offered", gettext_lazy("Offered"), ""),
    ("claimed", gettext_lazy("Claimed"), "offered"),
    ("decided", gettext_lazy("With a rep's verdict"), "offered"),
    ("accepted", gettext_lazy("Accepted"), "decided"),
    ("returned", gettext_lazy("Returned"), "decided"),
    ("won", gettext_lazy("Won"), "offered"),
    ("expired", gettext_lazy("Expired"), "offered"),
    ("withdrawn", gettext_lazy("Withdrawn"), "offered"),
    ("waiting", gettext_lazy("Waiting now"), "offered"),
    ("in_hand", gettext_lazy("In hand now"), "offered"),
)
# What shares are of, by the second of the rows above.
_SHARE_OF: Final = {
    "": "",
    "offered": gettext_lazy("offered"),
    "decided": gettext_lazy("with a rep's verdict"),
}


class Tables:
    """The tables of one question; what several of them need is counted once."""

    def __init__(self, asked: Asked, *, now: datetime) -> None:
        self.asked = asked
        self.now = now

    def part(self, name: str) -> tuple[FigureTable, ...]:
        """The tables of a part, a key of ``PARTS``."""
        return tuple(self.table(table) for table in PARTS[name][1])

    def table(self, name: str) -> FigureTable:
        """One table, a key of ``TABLES``."""
        rows: Callable[[], Iterator[Row]] = getattr(self, f"_{name}")
        return FigureTable(TABLES[name], tuple(rows()))

    @cached_property
    def report(self) -> Report:
        """Counts, conversion, velocity and flows."""
        return report(period=self.asked.period, segment=self.asked.segment)

    @cached_property
    def handoffs(self) -> HandoffFigures:
        """The handing over."""
        return handoff_figures(self.asked.period, self.asked.segment, now=self.now)

    @cached_property
    def rules(self) -> RuleReport:
        """What returns say of rules."""
        return rule_report(self.asked.period, self.asked.segment)

    def _stages(self) -> Iterator[Row]:
        for stage in self.report.stages:
            yield Row(
                {
                    "stage": stage.key,
                    "before": stage.before,
                    "entries": stage.entries,
                    "exits": stage.exits,
                    "after": stage.after,
                    "change": stage.after - stage.before,
                },
                {
                    "before": PeopleBehind(Behind(Number.BEFORE, stage.key)),
                    "entries": _moves(None, stage.key),
                    "exits": _moves(stage.key, None),
                    "after": PeopleBehind(Behind(Number.AFTER, stage.key)),
                    "change": PeopleBehind(Behind(Number.CHANGED, stage.key)),
                },
            )

    def _entered_at(self) -> Iterator[Row]:
        for stage, contacts in self.report.entered_at:
            yield Row({"stage": stage, "contacts": contacts}, {"contacts": _moves("", stage)})

    def _steps(self) -> Iterator[Row]:
        for step in self.report.steps:
            way = step.origin, step.target
            yield Row(
                {
                    "origin": step.origin,
                    "target": step.target,
                    "reached": step.reached,
                    "strict": step.strict,
                    "strict_rate": share(step.strict, step.reached),
                    "loose": step.loose,
                    "loose_rate": share(step.loose, step.reached),
                    "skipped": step.skipped,
                },
                {
                    "reached": PeopleBehind(Behind(Number.REACHED, step.origin)),
                    "strict": PeopleBehind(Behind(Number.STRICT, *way)),
                    "loose": PeopleBehind(Behind(Number.CONVERTED, *way)),
                    "skipped": PeopleBehind(Behind(Number.SKIPPED, *way)),
                },
            )

    def _velocities(self) -> Iterator[Row]:
        for one in self.report.velocities:
            yield Row(
                {
                    "origin": one.origin,
                    "target": one.target,
                    "moves": one.moves,
                    "p10": one.p10,
                    "median": one.median,
                    "p90": one.p90,
                    "exact": one.exact,
                },
                {"moves": PeopleBehind(Behind(Number.REACHED, one.target))},
            )

    def _flows(self) -> Iterator[Row]:
        place = {stage.key: index for index, stage in enumerate(self.report.stages)}
        for flow in self.report.flows:
            way = "in" if not flow.origin else "up" if place[flow.target] > place[flow.origin] else "down"
            yield Row(
                {"origin": flow.origin, "target": flow.target, "way": way, "moves": flow.moves},
                {"moves": _moves(flow.origin, flow.target)},
            )

    def _cohorts(self) -> Iterator[Row]:
        asked = self.asked
        found = cohorts(
            period=asked.period, segment=asked.segment, origin=asked.origin, target=asked.target, now=self.now
        )
        for cohort in found:
            month = Period(cohort.month, _last_day(cohort.month))
            yield Row(
                {
                    "month": cohort.month,
                    "size": cohort.size,
                    "watched_days": max((self.now.date() - month.last).days - 1, 0),
                    # What not all of the cohort has had the time for is no figure yet.
                    **{f"within_{days}": times if final else None for days, times, final in cohort.within},
                    "ever": cohort.ever,
                },
                {
                    "size": PeopleBehind(Behind(Number.REACHED, asked.origin), month),
                    "ever": PeopleBehind(Behind(Number.CONVERTED, asked.origin, asked.target), month),
                },
            )

    def _sources(self) -> Iterator[Row]:
        asked = self.asked
        found = shares(
            period=asked.period, segment=asked.segment, facet=asked.facet, origin=asked.origin, target=asked.target
        )
        for one in found:
            segment = narrowed(asked.segment, asked.facet, one.label)
            yield Row(
                {
                    "value": one.label,
                    "reached": one.reached,
                    "converted": one.converted,
                    "rate": share(one.converted, one.reached),
                },
                {
                    "reached": PeopleBehind(Behind(Number.REACHED, asked.origin), segment=segment),
                    "converted": PeopleBehind(Behind(Number.CONVERTED, asked.origin, asked.target), segment=segment),
                },
            )

    def _offers(self) -> Iterator[Row]:
        counts = self.handoffs.offers.counts
        for name, label, of in _OFFER_ROWS:
            part = share(counts[name], counts[of]) if of else None
            cells = {"figure": name, "label": label, "count": counts[name], "share": part}
            yield Row(
                {**cells, "share_of": _SHARE_OF[of]},
                {"count": HandoffsBehind({"figure": name})},
            )
        yield Row(
            {
                "figure": "released",
                "label": gettext_lazy("Released to the queue"),
                "count": self.handoffs.released,
                "share": None,
                "share_of": "",
            },
            {"count": _turns("hold", "released")},
        )

    def _clocks(self) -> Iterator[Row]:
        clocks = (
            ("claim", gettext_lazy("Offer to claim"), self.handoffs.claims, ("claim", "")),
            ("attempt", gettext_lazy("Claim to first attempt"), self.handoffs.attempts, ("hold", "attempt_")),
        )
        for name, label, clock, (kind, prefix) in clocks:
            yield Row(
                {
                    "clock": name,
                    "label": label,
                    "met": clock.met,
                    "missed": clock.missed,
                    "running": clock.running,
                    "void": clock.void,
                    "attained": clock.attained,
                    "median": clock.median,
                    "p90": clock.p90,
                },
                {figure: _turns(kind, f"{prefix}{figure}") for figure in ("met", "missed", "running", "void")},
            )

    def _unowned(self) -> Iterator[Row]:
        unowned = self.handoffs.unowned
        yield Row(
            {"median": unowned.median, "p90": unowned.p90, "total": unowned.total, "oldest": unowned.oldest},
            {"oldest": HandoffsBehind({"figure": "waiting"})} if unowned.oldest else {},
        )

    def _reps(self) -> Iterator[Row]:
        for rep in self.handoffs.reps:
            yield Row(
                {
                    "rep_id": str(rep.rep_id),
                    "rep": rep.name,
                    "taken": rep.taken,
                    "claim_median": rep.claims.median,
                    "claims_attained": rep.claims.attained,
                    "attempts_attained": rep.attempts.attained,
                    "accepted": rep.accepted,
                    "decided": rep.decided,
                    "acceptance": rep.acceptance,
                    "returned": rep.returned,
                    "won": rep.won,
                    "released": rep.released,
                    "in_hand": rep.in_hand,
                },
                {
                    figure: _turns("hold", figure, rep=str(rep.rep_id))
                    for figure in ("taken", "accepted", "decided", "returned", "won", "released", "in_hand")
                },
            )

    def _reasons(self) -> Iterator[Row]:
        offers = self.handoffs.offers
        for reason, times in offers.reasons:
            yield Row(
                {
                    "reason": reason,
                    "label": ReturnReason(reason).label,
                    "returned": times,
                    "share": share(times, offers.counts["returned"]),
                },
                {"returned": HandoffsBehind({"figure": "returned", "reason": reason})},
            )

    def _rules(self) -> Iterator[Row]:
        for rule in self.rules.rules:
            led = {"rule": f"{rule.definition}:{rule.kind}:{rule.rule}"}
            figures = {"offered": rule.offered, "decided": rule.decided, "accepted": rule.accepted}
            yield Row(
                {
                    "definition": rule.definition,
                    "kind": rule.kind.value,
                    "rule": rule.rule,
                    "label": rule.label,
                    **figures,
                    "acceptance": rule.acceptance,
                    "returned": rule.returned,
                    "return_rate": rule.return_rate,
                    "excess": max(rule.excess_over(self.rules.return_rate), 0.0) if rule.is_ranked else None,
                    "ranked": rule.is_ranked,
                    "top_reason": ReturnReason(rule.reasons[0][0]).label if rule.reasons else "",
                },
                {name: HandoffsBehind({"figure": name, **led}) for name in (*figures, "returned")},
            )

    def _rule_reasons(self) -> Iterator[Row]:
        for rule in self.rules.rules:
            led = {"rule": f"{rule.definition}:{rule.kind}:{rule.rule}"}
            for reason, times in rule.reasons:
                yield Row(
                    {
                        "definition": rule.definition,
                        "kind": rule.kind.value,
                        "rule": rule.rule,
                        "label": rule.label,
                        "reason": reason,
                        "reason_label": ReturnReason(reason).label,
                        "returned": times,
                    },
                    {"returned": HandoffsBehind({"figure": "returned", "reason": reason, **led})},
                )

    def _source_feedback(self) -> Iterator[Row]:
        asked = self.asked
        for one in source_feedback(asked.period, asked.segment, facet=asked.facet):
            segment = narrowed(asked.segment, asked.facet, one.label)
            counts = {
                "offered": one.offered,
                "decided": one.decided,
                "accepted": one.accepted,
                "returned": one.returned,
                "won": one.won,
            }
            yield Row(
                {"value": one.label, **counts, "acceptance": one.acceptance},
                {name: HandoffsBehind({"figure": name}, segment) for name in counts},
            )


def _moves(origin: str | None, target: str | None) -> PeopleBehind:
    return PeopleBehind(Behind(Number.MOVES, origin, target))


def _turns(kind: str, figure: str, **more: str) -> HandoffsBehind:
    return HandoffsBehind({"turns": kind, "figure": figure, **more})


def _last_day(month: date) -> date:
    following = (month + timedelta(days=31)).replace(day=1)
    return following - timedelta(days=1)
