"""What returns say about the rules that led to handoffs. Pure arithmetic; the rows come from selectors/feedback.py."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from math import sqrt
from typing import Final

# Below so many verdicts of reps a rule is shown, but not ranked: two returns of two say little.
FEWEST_VERDICTS: Final = 5
# The two-sided 95 % quantile of the normal distribution.
_Z: Final = 1.959964


class RuleKind(StrEnum):
    """What of a definition a rule is: a signal that gave points, a fit rule that did, evidence that a stage counted."""

    SIGNAL = "signal"
    FIT = "fit"
    EVIDENCE = "evidence"


@dataclass(frozen=True, slots=True)
class RuleFeedback:
    """How the offers ended to which one rule contributed.

    ``decided`` are those with a rep's verdict: accepted (or won in a rep's hands) or returned; one that was accepted
    and returned later is both. ``reasons``: (code, how many), most frequent first.
    """

    definition: str
    kind: RuleKind
    rule: str
    label: str
    offered: int
    decided: int
    accepted: int
    returned: int
    reasons: tuple[tuple[str, int], ...] = ()

    @property
    def acceptance(self) -> float | None:
        """The accepted share of the decided."""
        return self.accepted / self.decided if self.decided else None

    @property
    def return_rate(self) -> float | None:
        """The returned share of the decided."""
        return self.returned / self.decided if self.decided else None

    @property
    def is_ranked(self) -> bool:
        """Whether there are verdicts enough to judge the rule by."""
        return self.decided >= FEWEST_VERDICTS

    def excess_over(self, rate: float) -> float:
        """By how much its return rate surely exceeds ``rate``; negative where it does not."""
        return wilson_lower(self.returned, self.decided) - rate


def wilson_lower(successes: int, trials: int) -> float:
    """Return the lower bound of the 95 % score interval for a proportion; 0 for no trials.

    E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", Journal of the American
    Statistical Association 22 (1927), 209-212:
    ``(p + z^2/2n - z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n)``.
    """
    if not trials:
        return 0.0
    share, square = successes / trials, _Z * _Z
    middle = share + square / (2 * trials)
    spread = _Z * sqrt(share * (1 - share) / trials + square / (4 * trials * trials))
    return max((middle - spread) / (1 + square / trials), 0.0)


def rank_rules(rules: Iterable[RuleFeedback], *, rate: float) -> list[RuleFeedback]:
    """Order rules so that the first is the one whose offers are most surely returned more often than ``rate``.

    What has too few verdicts comes last. Rules that do equally badly stand with the most returns first, then signals
    before fit rules before evidence.
    """
    kinds = list(RuleKind)
    return sorted(
        rules,
        key=lambda row: (
            not row.is_ranked,
            -round(row.excess_over(rate), 9),
            -row.returned,
            kinds.index(row.kind),
            row.definition,
            row.rule,
        ),
    )
