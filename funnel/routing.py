"""Who is to get an offer: rules, contacts and reps in, a decision with its reasons out. Pure.

Rules are asked in order. The first that matches the contact and finds somebody decides; one that matches and finds
nobody who can take it passes on, and says whom it passed over. Where no rule decides, the offer waits in the queue.

In turn means: to whom has the smallest part of their limit taken (handoffs they hold and offers kept for them); among
equals to whom was given one longest ago. That is weighted least-connections, the usual balance of uneven work.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final

from funnel.enums import RoutingMode

MOST_PASSED_OVER: Final = 20


@dataclass(frozen=True, slots=True)
class Case:
    """What rules look at in a contact. Texts are compared without case; "" and None are unknown.

    ``company_reps``: who has the company's contacts: those in hand first, then those won, the latest first.
    ``not_to``: who is passed over for this one, by user id, and why.
    """

    stage: str
    country: str = ""
    language: str = ""
    industry: str = ""
    source: str = ""
    employees: int | None = None
    company_reps: tuple[int, ...] = ()
    not_to: Mapping[int, str] = field(default_factory=dict)


@dataclass(slots=True)
class Rep:
    """Somebody who may get offers. ``taken`` and ``last_assigned_at`` change as offers are given out.

    ``why_not``: why they get none whatever the rule ("" where nothing speaks against it).
    """

    id: int
    name: str
    limit: int
    taken: int = 0
    is_rep: bool = True
    is_routed: bool = True
    why_not: str = ""
    away_until: date | None = None
    last_assigned_at: datetime | None = None
    countries: frozenset[str] = frozenset()
    languages: frozenset[str] = frozenset()

    @property
    def free(self) -> int:
        """How many more they may take."""
        return max(self.limit - self.taken, 0)

    @property
    def turn(self) -> tuple[float, bool, float, int]:
        """Whose turn it is: the smallest key. Part of the limit taken, then the longest since the last one."""
        last = self.last_assigned_at
        return self.taken / max(self.limit, 1), last is not None, last.timestamp() if last else 0.0, self.id


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a rule asks of a contact; an empty list or None asks nothing."""

    stages: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    industries: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    employees_at_least: int | None = None
    employees_at_most: int | None = None

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> "Conditions":
        """Read a rule's stored conditions."""
        given: dict[str, Any] = {name: tuple(stored.get(name) or ()) for name in LISTS}
        given |= {name: stored.get(name) for name in BOUNDS}
        return cls(**given)

    def failing(self, case: Case) -> str:
        """Say what about the contact does not match; "" where it does."""
        for asked, has, what in (
            (self.stages, case.stage, "stage"),
            (self.countries, case.country, "country"),
            (self.languages, case.language, "language"),
            (self.industries, case.industry, "industry"),
            (self.sources, case.source, "source"),
        ):
            if asked and has.casefold() not in {one.casefold() for one in asked}:
                return f"its {what} is {has or 'unknown'}"
        bounds = self.employees_at_least, self.employees_at_most
        if bounds == (None, None):
            return ""
        if case.employees is None:
            return "the size of its company is unknown"
        low, high = bounds
        if (low is not None and case.employees < low) or (high is not None and case.employees > high):
            return f"its company has {case.employees:,} employees"
        return ""


LISTS: Final = ("stages", "countries", "languages", "industries", "sources")
BOUNDS: Final = ("employees_at_least", "employees_at_most")


@dataclass(frozen=True, slots=True)
class Rule:
    """A routing rule. ``reps``: whom it chooses among, by id; none means all who take handoffs by rules."""

    id: int
    name: str
    mode: RoutingMode
    conditions: Conditions = Conditions()
    reps: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class PassedOver:
    """Somebody who would have got it, and why they did not."""

    id: int
    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What one rule said of a contact: whether it decided, and why in words."""

    rule: Rule
    decided: bool
    words: str


@dataclass(frozen=True, slots=True)
class Routed:
    """To whom an offer goes (None: the queue), by which rule, why in a sentence, whom that passed over, the steps."""

    rep_id: int | None
    rule: str
    why: str
    passed_over: tuple[PassedOver, ...] = ()
    steps: tuple[Asked, ...] = ()

    @property
    def stored(self) -> dict[str, Any]:
        """What ``Handoff.routing`` keeps."""
        return {
            "rule": self.rule,
            "why": self.why,
            "passed_over": [
                {"id": one.id, "person": one.name, "why": one.why} for one in self.passed_over[:MOST_PASSED_OVER]
            ],
        }


NO_RULES: Final = Routed(None, "", "In the queue for whoever claims it first: no rule gives offers to anybody.")


def decide(case: Case, rules: Sequence[Rule], reps: Mapping[int, Rep], *, now: datetime) -> Routed:
    """Decide to whom an offer goes, and count it as theirs: ``reps`` is changed, so the next decision knows of it.

    ``rules`` are the active ones in order; ``reps`` everybody whom a rule may name, by id.
    """
    if not rules:
        return NO_RULES
    passed: dict[int, PassedOver] = {}
    steps: list[Asked] = []
    for rule in rules:
        if wrong := rule.conditions.failing(case):
            steps.append(Asked(rule, decided=False, words=f"Does not match: {wrong}."))
            continue
        if rule.mode is RoutingMode.QUEUE:
            why = f"In the queue for whoever claims it first, by the rule “{rule.name}”."
            return Routed(None, rule.name, why, tuple(passed.values()), (*steps, Asked(rule, decided=True, words=why)))
        found, because, nobody = _choose(rule, case, reps, passed)
        if found is None:
            steps.append(Asked(rule, decided=False, words=nobody))
            continue
        why = f"Kept for {found.name} by the rule “{rule.name}”: {because}."
        found.taken += 1
        found.last_assigned_at = now
        steps.append(Asked(rule, decided=True, words=why))
        return Routed(found.id, rule.name, why, tuple(passed.values()), tuple(steps))
    if any(not step.words.startswith("Does not match") for step in steps):
        why = "In the queue for whoever claims it first: nobody whom a matching rule names can take it now."
    else:
        why = "In the queue for whoever claims it first: no rule matches."
    return Routed(None, "", why, tuple(passed.values()), tuple(steps))


def _choose(
    rule: Rule, case: Case, reps: Mapping[int, Rep], passed: dict[int, PassedOver]
) -> tuple[Rep | None, str, str]:
    """Find who gets it by this rule: the rep, why in half a sentence, or why nobody; fills ``passed``."""
    nobody = "Matches, but names nobody."
    for group, because in _groups(rule, case, reps):
        able = []
        for rep in group:
            if reason := _against(rep, case):
                passed.setdefault(rep.id, PassedOver(rep.id, rep.name, reason))
            else:
                able.append(rep)
        if able:
            # Who has a company goes before turns: the groups say the order.
            best = min(able, key=lambda rep: rep.turn)
            return best, because or _turn_in_words(best, able), ""
        if group:
            nobody = "Matches, but nobody can take it: " + "; ".join(
                f"{rep.name} {passed[rep.id].why}" for rep in group[:MOST_PASSED_OVER]
            )
    if nobody.endswith("nobody."):
        nobody = f"Matches, but {_NOBODY[rule.mode]}."
    return None, "", nobody


_NOBODY: Final = {
    RoutingMode.ROUND_ROBIN: "nobody takes handoffs by rules",
    RoutingMode.COMPANY_OWNER: "nobody has another contact of its company",
    RoutingMode.TERRITORY: "nobody looks after its country or language",
    RoutingMode.QUEUE: "",
}


def _groups(rule: Rule, case: Case, reps: Mapping[int, Rep]) -> Iterator[tuple[list[Rep], str]]:
    """Yield whom a rule would give it to, first choice first, and why; "" where it is by turns."""
    if rule.reps:
        pool = [reps[number] for number in rule.reps if number in reps]
    else:
        pool = [rep for rep in reps.values() if rep.is_rep and rep.is_routed]
    if rule.mode is RoutingMode.ROUND_ROBIN:
        yield pool, ""
    elif rule.mode is RoutingMode.TERRITORY:
        country, language = case.country.casefold(), case.language.casefold()
        there = [rep for rep in pool if country and country in rep.countries]
        both = [rep for rep in there if language and language in rep.languages]
        yield both, f"looks after {case.country} and speaks {case.language}"
        yield [rep for rep in there if rep not in both], f"looks after {case.country}"
        yield (
            [rep for rep in pool if language and language in rep.languages and rep not in there],
            f"looks after the language {case.language}",
        )
    elif rule.mode is RoutingMode.COMPANY_OWNER:
        among = set(rule.reps)
        for number in case.company_reps:
            if number in reps and (not among or number in among):
                yield [reps[number]], "has contacts of its company already"


def _against(rep: Rep, case: Case) -> str:
    """Why this one cannot be given to somebody; "" where it can."""
    if rep.why_not:
        return rep.why_not
    if not rep.is_routed:
        return "takes no handoffs by rules"
    if rep.away_until is not None:
        return f"is away until {rep.away_until.day} {rep.away_until:%B %Y}"
    if rep.id in case.not_to:
        return case.not_to[rep.id]
    if rep.free == 0:
        return f"is full, with {rep.taken:,} of {rep.limit:,}"
    return ""


def _turn_in_words(best: Rep, able: Collection[Rep]) -> str:
    load = f"with {best.taken:,} of {best.limit:,} taken"
    if len(able) == 1:
        return f"nobody else can take it, and there is room, {load}"
    others = [rep for rep in able if rep.turn[0] == best.turn[0]]
    if len(others) == 1:
        return f"has the most room, {load}"
    return f"has as much room as anybody, {load}, and was given one the longest ago"
