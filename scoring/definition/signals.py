"""Whether evidence, signals and groups are sound: what they match, how they count, what they weigh."""

from collections.abc import Iterator

from scoring.definition.criteria import (
    LONGEST_DAYS,
    MOST_OPTIONS,
    MOST_POINTS,
    days_problems,
    range_problems,
    scalar_problems,
)
from scoring.definition.document import Counting, DefinitionDocument, Learned, Match, PropertyTest, Signal
from scoring.definition.patterns import compile_pattern
from scoring.definition.problems import Problem

SHORTEST_HALF_LIFE = 0.01
MOST_PROPERTIES = 20
# Each match on more than kinds costs a query of its own at every judgement.
MOST_PROPERTY_MATCHES = 100
# Log-odds that one event may weigh: exp(1000) is certainty, and sums of millionths stay exact.
MOST_LOG_ODDS = 1_000

_TESTS = ("present", "equals", "one_of", "prefix", "contains", "pattern")


def match_problems(
    document: DefinitionDocument, known_kinds: frozenset[str] | None, known_sources: frozenset[str] | None
) -> Iterator[Problem]:
    """What is wrong with the matches of evidence and signals."""
    matches = [(f"signals[{i}].match", signal.match) for i, signal in enumerate(document.signals)]
    for key, evidence in document.evidence.items():
        if not evidence.any_of:
            yield Problem(f"evidence.{key}.any_of", "is empty; name at least one match")
        matches += [(f"evidence.{key}.any_of[{i}]", match) for i, match in enumerate(evidence.any_of)]
    for path, match in matches:
        if match == Match():
            fix = "must name kinds, initiator, reach, two_way, channels, sources or properties"
            yield Problem(path, fix)
        yield from _name_problems(path, match, known_kinds, known_sources)
        if len(match.properties) > MOST_PROPERTIES:
            yield Problem(f"{path}.properties", f"tests more than {MOST_PROPERTIES} properties; use fewer")
        for name, test in match.properties.items():
            yield from _property_problems(f"{path}.properties.{name}", name, test)
    apart = [match for _, match in matches if match.properties or match.channels or match.sources]
    counted = [signal for signal in document.signals if signal.count.once_per]
    if len(apart) + len(counted) > MOST_PROPERTY_MATCHES:
        yield Problem(
            "signals",
            f"and evidence have more than {MOST_PROPERTY_MATCHES} matches on properties, channels, sources or "
            "once_per; use fewer",
        )


def _name_problems(
    path: str, match: Match, known_kinds: frozenset[str] | None, known_sources: frozenset[str] | None
) -> Iterator[Problem]:
    for field, names, known, what in (
        ("kinds", match.kinds, known_kinds, "event kind"),
        ("channels", match.channels, None, "channel"),
        ("sources", match.sources, known_sources, "source"),
    ):
        if len(names) > MOST_OPTIONS:
            yield Problem(f"{path}.{field}", f"names more than {MOST_OPTIONS:,}; use fewer")
        for name in names:
            if not name.strip():
                yield Problem(f"{path}.{field}", f"holds a blank name; name the {what}")
            elif known is not None and name not in known:
                yield Problem(f"{path}.{field}", f"{name!r} is no known {what}; {_advice(field)}")


def _advice(field: str) -> str:
    if field == "sources":
        return "use the name of a source as it stands under Sources, or create that first"
    return "use a kind that Ripen ships or that an integration has sent"


def _property_problems(path: str, name: str, test: PropertyTest) -> Iterator[Problem]:
    if not name.strip():
        yield Problem(path, "has a blank name; name the property")
    elif len(name) > 255:
        yield Problem(path[:120], "is longer than a property's name can be, 255 characters")
    ranged = test.at_least is not None or test.at_most is not None
    given = [field for field in _TESTS if getattr(test, field) is not None]
    if len(given) + ranged != 1:
        yield Problem(path, f"needs exactly one of {', '.join(_TESTS)}, or at_least / at_most")
        return
    if test.equals is not None:
        yield from scalar_problems(f"{path}.equals", (test.equals,))
    if test.one_of is not None:
        yield from scalar_problems(f"{path}.one_of", test.one_of)
    for field in ("prefix", "contains", "pattern"):
        if getattr(test, field) == "":
            yield Problem(f"{path}.{field}", "is empty, which every text meets; use present instead")
    if test.pattern:
        try:
            compile_pattern(test.pattern)
        except ValueError as error:
            fix = "write an RE2 expression (see docs/definitions.md)"
            yield Problem(f"{path}.pattern", f"is no valid pattern: {error}; {fix}")
    yield from range_problems(path, test.at_least, test.at_most)


def signal_problems(document: DefinitionDocument) -> Iterator[Problem]:
    """What is wrong with signals, groups and the learned score."""
    groups = {group.key for group in document.groups}
    for index, signal in enumerate(document.signals):
        path = f"signals[{index}]"
        if signal.half_life_days < 0:
            yield Problem(f"{path}.half_life_days", "must be > 0, or 0 for points that never fade")
        elif signal.half_life_days and not SHORTEST_HALF_LIFE <= signal.half_life_days <= LONGEST_DAYS:
            fix = f"must lie between {SHORTEST_HALF_LIFE} and {LONGEST_DAYS:,} days, or be 0 for points that never fade"
            yield Problem(f"{path}.half_life_days", fix)
        if abs(signal.points) > MOST_POINTS:
            yield Problem(f"{path}.points", f"must lie between -{MOST_POINTS:,} and {MOST_POINTS:,}")
        yield from _counting_problems(f"{path}.count", signal.count)
        if signal.group and signal.group not in groups:
            yield Problem(f"{path}.group", f"{signal.group!r} is no group of this definition; add it under groups")
    for index, group in enumerate(document.groups):
        if group.cap is not None and not 0 <= group.cap <= MOST_POINTS:
            yield Problem(f"groups[{index}].cap", f"must be >= 0 and at most {MOST_POINTS:,}")
    if document.learned is not None:
        yield from _learned_problems(document.learned, document)


def _counting_problems(path: str, count: Counting) -> Iterator[Problem]:
    ways = [count.once, bool(count.once_per), count.latest is not None]
    ways.append(count.at_most is not None or count.within_days is not None)
    if sum(ways) > 1:
        yield Problem(path, "takes one of once, once_per, latest, or at_most with within_days, not several")
    if len(count.once_per) > 255 or (count.once_per and not count.once_per.strip()):
        yield Problem(f"{path}.once_per", "must name a property, in at most 255 characters")
    for name in ("latest", "at_most"):
        number = getattr(count, name)
        if number is not None and not 1 <= number <= MOST_POINTS:
            yield Problem(f"{path}.{name}", f"must be >= 1 and at most {MOST_POINTS:,}")
    if count.at_most is not None and count.within_days is None:
        yield Problem(f"{path}.within_days", "is missing; say how long a period of at_most is, 1 for a day")
    if count.within_days is not None:
        if count.at_most is None:
            yield Problem(f"{path}.at_most", "is missing; say how many weigh in each period of within_days")
        yield from days_problems(f"{path}.within_days", count.within_days)


def _learned_problems(learned: Learned, document: DefinitionDocument) -> Iterator[Problem]:
    known = {
        "signals": {signal.key for signal in document.signals},
        "groups": {group.key for group in document.groups},
        "fit_rules": {rule.key for rule in document.fit.rules},
    }
    for name, keys in known.items():
        for key, weight in getattr(learned, name).items():
            if key not in keys:
                yield Problem(f"learned.{name}.{key}", "is not part of this definition; train the learned score again")
            elif abs(weight) > MOST_LOG_ODDS:
                yield Problem(f"learned.{name}.{key}", f"must lie between -{MOST_LOG_ODDS:,} and {MOST_LOG_ODDS:,}")
    if abs(learned.intercept) > MOST_LOG_ODDS:
        yield Problem("learned.intercept", f"must lie between -{MOST_LOG_ODDS:,} and {MOST_LOG_ODDS:,}")
    for index, signal in enumerate(document.signals):
        if abs(signal.points * _weight(learned, signal)) > MOST_LOG_ODDS:
            fix = f"times the signal's points must lie between -{MOST_LOG_ODDS:,} and {MOST_LOG_ODDS:,}"
            yield Problem(f"learned.signals.{document.signals[index].key}", fix)
    for group in document.groups:
        if group.key in learned.groups and (group.cap or 0) * abs(learned.groups[group.key]) > MOST_POINTS:
            yield Problem(f"learned.groups.{group.key}", f"times the group's cap must not be over {MOST_POINTS:,}")
    if learned.auc is not None and not 0 <= learned.auc <= 1:
        yield Problem("learned.auc", "must lie between 0 and 1")
    if learned.outcomes < 0:
        yield Problem("learned.outcomes", "must be >= 0")


def _weight(learned: Learned, signal: Signal) -> float:
    weights = learned.groups if signal.group else learned.signals
    return weights.get(signal.group or signal.key, 0.0)
