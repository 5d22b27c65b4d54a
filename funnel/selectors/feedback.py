"""Which rules and sources led to handoffs that reps accepted, and which to those that came back.

A rule contributed to an offer where the evidence that was frozen with it says so: a signal by a ledger line with
points, a fit rule by points, evidence by a criterion of the stage that it met. See docs/feedback.md.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import BooleanField, Count, Func, Q, QuerySet, Value
from django.db.models.fields.json import JSONField

from funnel.analytics import Period, Segment
from funnel.enums import HandoffState
from funnel.feedback import RuleFeedback, RuleKind, rank_rules
from funnel.models import Handoff
from funnel.selectors.clock_figures import ask
from funnel.selectors.handoff_figures import ACCEPTED, DECIDED, RETURNED, offered_in
from funnel.selectors.handoff_scope import share

# Facets of where a contact came from, and their paths from a handoff.
SOURCE_FACETS: Final = {
    "source": "contact__source_channel",
    "motion": "contact__source_motion",
    "direction": "contact__source_direction",
    "campaign": "contact__source_campaign",
    "country": "contact__country",
}


@dataclass(frozen=True, slots=True)
class RuleReport:
    """The rules of a period's offers, worst first, and how all of those offers together ended."""

    decided: int
    returned: int
    rules: tuple[RuleFeedback, ...]

    @property
    def return_rate(self) -> float:
        """The returned share of all with a verdict; 0 where there is none."""
        return share(self.returned, self.decided) or 0.0


@dataclass(frozen=True, slots=True)
class SourceFeedback:
    """How the offers of contacts with one value of a facet ended; ``label`` "" is unknown."""

    label: str
    offered: int
    decided: int
    accepted: int
    returned: int
    won: int

    @property
    def acceptance(self) -> float | None:
        """The accepted share of the decided."""
        return share(self.accepted, self.decided)


# One row an offer and rule. Evidence of erased people is empty, so they count in no rule.
_LED: Final = """
WITH chosen AS (
    SELECT handoff.id, handoff.evidence, handoff.state = 'returned' AS returned, handoff.reason,
           handoff.accepted_at IS NOT NULL OR (handoff.state = 'won' AND handoff.claimed_by_id IS NOT NULL) AS accepted,
           split_part(handoff.evidence ->> 'definition', '@', 1) AS definition
    FROM funnel_handoff AS handoff
    WHERE handoff.offered_at >= %(begin)s AND handoff.offered_at < %(end)s {segment}
),
led AS (
    SELECT chosen.id, definition, returned, accepted, reason, rule.kind, rule.rule, rule.label
    FROM chosen CROSS JOIN LATERAL (
        SELECT 'signal' AS kind, rule, max(label) AS label
        FROM jsonb_to_recordset(evidence -> 'lines') AS line (rule text, label text, points float, cap boolean)
        WHERE cap IS NOT TRUE AND points > 0 GROUP BY rule
        UNION ALL
        SELECT 'fit', rule, max(label)
        FROM jsonb_to_recordset(evidence -> 'fit_lines') AS line (rule text, label text, points float)
        WHERE points > 0 GROUP BY rule
        UNION ALL
        SELECT 'evidence', rule, max(label)
        FROM jsonb_to_recordset(evidence -> 'criteria') AS line (rule text, label text) GROUP BY rule
    ) AS rule
)
"""
# Labels with the handoff's id before them, so that the greatest is the latest: an ordered aggregate sorts all rows.
_ID_DIGITS: Final = 19
_RULES: Final = (
    _LED
    + """
SELECT definition, kind, rule, max(lpad(id::text, 19, '0') || label), count(*),
       count(*) FILTER (WHERE accepted OR returned), count(*) FILTER (WHERE accepted),
       CASE WHEN returned THEN reason ELSE '' END AS why, count(*) FILTER (WHERE returned)
FROM led GROUP BY definition, kind, rule, why
"""
)


def rule_report(period: Period, segment: Segment) -> RuleReport:
    """How the offers of a period ended, by each rule that contributed to them, worst first; two queries."""
    totals = offered_in(period, segment).aggregate(
        decided=Count("pk", filter=DECIDED), returned=Count("pk", filter=RETURNED)
    )
    parts: dict[tuple[str, str, str], list[tuple[Any, ...]]] = defaultdict(list)
    for definition, kind, rule, *figures in ask(_RULES, period, segment):
        parts[definition, kind, rule].append(tuple(figures))
    rules = []
    for (definition, kind, rule), rows in parts.items():
        reasons = [(why, returned) for _, _, _, _, why, returned in rows if why]
        latest = max(row[0] or "" for row in rows)[_ID_DIGITS:]
        rules.append(
            RuleFeedback(
                definition=definition,
                kind=RuleKind(kind),
                rule=rule,
                label=latest or rule,
                offered=sum(row[1] for row in rows),
                decided=sum(row[2] for row in rows),
                accepted=sum(row[3] for row in rows),
                returned=sum(row[5] for row in rows),
                reasons=tuple(sorted(reasons, key=lambda pair: (-pair[1], pair[0]))),
            )
        )
    report = RuleReport(totals["decided"], totals["returned"], ())
    return RuleReport(report.decided, report.returned, tuple(rank_rules(rules, rate=report.return_rate)))


def source_feedback(period: Period, segment: Segment, *, facet: str) -> tuple[SourceFeedback, ...]:
    """How the offers of a period ended, by a facet of where contacts came from, most offers first; one query."""
    rows = (
        offered_in(period, segment)
        .values_list(SOURCE_FACETS[facet])
        .annotate(
            offered=Count("pk"),
            decided=Count("pk", filter=DECIDED),
            accepted=Count("pk", filter=ACCEPTED),
            returned=Count("pk", filter=RETURNED),
            won=Count("pk", filter=Q(state=HandoffState.WON)),
        )
        .order_by("-offered", SOURCE_FACETS[facet])
    )
    return tuple(SourceFeedback(*row) for row in rows)


# Where the evidence says that a rule contributed, the same as above asks.
_PATHS: Final = {
    RuleKind.SIGNAL: "$.lines[*] ? (@.rule == $rule && @.points > 0 && !(@.cap == true))",
    RuleKind.FIT: "$.fit_lines[*] ? (@.rule == $rule && @.points > 0)",
    RuleKind.EVIDENCE: "$.criteria[*] ? (@.rule == $rule)",
}


def led_by(rows: "QuerySet[Handoff]", *, kind: RuleKind, rule: str, definition: str) -> "QuerySet[Handoff]":
    """Narrow handoffs to those to whose offer a rule of a definition (its key) contributed."""
    path = Func(
        "evidence",
        Value(_PATHS[kind]),
        Value({"rule": rule}, JSONField()),
        function="jsonb_path_exists",
        template="%(function)s(%(expressions)s)",
        output_field=BooleanField(),
    )
    return rows.annotate(is_led=path).filter(is_led=True, evidence__definition__startswith=f"{definition}@")
