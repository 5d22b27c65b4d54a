"""Which rules and sources led to handoffs that reps accepted, and which to those that came back.

A rule contributed to an offer where the evidence that was frozen with it says so: a signal by a ledger line with
points, a fit rule by points, evidence by a criterion of the stage that it met. See docs/feedback.md.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

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


# Offers to which the same rules led and that ended alike are one row: some hundreds, whatever the number of offers. A
# row an offer and rule takes three times as long. Evidence of erased people is empty, so they count in no rule.
_LED: Final = """
SELECT split_part(evidence ->> 'definition', '@', 1) AS definition,
       jsonb_path_query_array(evidence, '$.lines[*] ? (@.points > 0 && !(@.cap == true)).rule') AS signals,
       jsonb_path_query_array(evidence, '$.fit_lines[*] ? (@.points > 0).rule') AS fit,
       jsonb_path_query_array(evidence, '$.criteria[*].rule') AS evidence_of,
       state = 'returned' AS returned,
       accepted_at IS NOT NULL OR (state = 'won' AND claimed_by_id IS NOT NULL) AS accepted,
       CASE WHEN state = 'returned' THEN reason ELSE '' END AS why,
       count(*), max(id)
FROM funnel_handoff AS handoff
WHERE handoff.offered_at >= %(begin)s AND handoff.offered_at < %(end)s {segment}
GROUP BY 1, 2, 3, 4, 5, 6, 7
"""
_LINES: Final = {RuleKind.SIGNAL: "lines", RuleKind.FIT: "fit_lines", RuleKind.EVIDENCE: "criteria"}
_Rule = tuple[str, RuleKind, str]


@dataclass(slots=True)
class _Led:
    """How the offers ended to which a rule led; ``latest``: the id of the last of them."""

    offered: int = 0
    decided: int = 0
    accepted: int = 0
    returned: int = 0
    latest: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


def rule_report(period: Period, segment: Segment) -> RuleReport:
    """How the offers of a period ended, by each rule that contributed to them, worst first; two queries."""
    found: dict[_Rule, _Led] = defaultdict(_Led)
    decided_of_all = returned_of_all = 0
    for definition, *rules_of, returned, accepted, why, times, latest in ask(_LED, period, segment):
        decided_of_all += times * (accepted or returned)
        returned_of_all += times * returned
        for kind, keys in zip(RuleKind, rules_of, strict=True):
            # A rule may have several lines, and counts once.
            for rule in set(json.loads(keys)):
                led = found[definition, kind, rule]
                led.offered += times
                led.decided += times * (accepted or returned)
                led.accepted += times * accepted
                led.returned += times * returned
                led.latest = max(led.latest, latest)
                if why:
                    led.reasons[why] += times
    labels = _labels(found)
    rules = [
        RuleFeedback(
            definition=definition,
            kind=kind,
            rule=rule,
            label=labels[definition, kind, rule] or rule,
            offered=led.offered,
            decided=led.decided,
            accepted=led.accepted,
            returned=led.returned,
            reasons=tuple(sorted(led.reasons.items(), key=lambda pair: (-pair[1], pair[0]))),
        )
        for (definition, kind, rule), led in found.items()
    ]
    report = RuleReport(decided_of_all, returned_of_all, ())
    return RuleReport(report.decided, report.returned, tuple(rank_rules(rules, rate=report.return_rate)))


def _labels(found: Mapping[_Rule, _Led]) -> dict[_Rule, str]:
    """What each rule was called when it last led to an offer; one query."""
    latest = Handoff.objects.filter(pk__in={led.latest for led in found.values()})
    evidence = dict(latest.values_list("pk", "evidence"))
    labels = {}
    for (definition, kind, rule), led in found.items():
        lines = evidence.get(led.latest, {}).get(_LINES[kind], [])
        labels[definition, kind, rule] = max(
            (line.get("label") or "" for line in lines if line["rule"] == rule), default=""
        )
    return labels


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
