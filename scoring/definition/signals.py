"""Whether evidence, signals and groups are sound: what they match, how they count, what they weigh."""

from collections.abc import Iterator

from scoring.definition.criteria import (
    BETWEEN,
    LONGEST_DAYS,
    MOST_OPTIONS,
    MOST_POINTS,
    ONE_TO,
    ZERO_TO,
    days_problems,
    range_problems,
    scalar_problems,
)
from scoring.definition.document import Counting, DefinitionDocument, Learned, Match, PropertyTest, Signal
from scoring.definition.patterns import compile_pattern
from scoring.definition.problems import Problem, gettext_noop

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
            yield Problem(f"evidence.{key}.any_of", gettext_noop("is empty; name at least one match"))
        matches += [(f"evidence.{key}.any_of[{i}]", match) for i, match in enumerate(evidence.any_of)]
    for path, match in matches:
        if match == Match():
            fix = gettext_noop("must name kinds, initiator, reach, two_way, channels, sources or properties")
            yield Problem(path, fix)
        yield from _name_problems(path, match, known_kinds, known_sources)
        if len(match.properties) > MOST_PROPERTIES:
            yield Problem(
                f"{path}.properties",
                gettext_noop("tests more than %(most)s properties; use fewer"),
                {"most": MOST_PROPERTIES},
            )
        for name, test in match.properties.items():
            yield from _property_problems(f"{path}.properties.{name}", name, test)
    apart = [match for _, match in matches if match.properties or match.channels or match.sources]
    counted = [signal for signal in document.signals if signal.count.once_per]
    if len(apart) + len(counted) > MOST_PROPERTY_MATCHES:
        yield Problem(
            "signals",
            gettext_noop(
                "and evidence have more than %(most)s matches on properties, channels, sources or once_per; use fewer"
            ),
            {"most": MOST_PROPERTY_MATCHES},
        )


_BLANK = {
    "kinds": gettext_noop("holds a blank name; name the event kind"),
    "channels": gettext_noop("holds a blank name; name the channel"),
    "sources": gettext_noop("holds a blank name; name the source"),
}
_UNKNOWN = {
    "kinds": gettext_noop(
        "%(name)s is no known event kind; use a kind that Ripen ships or that an integration has sent"
    ),
    "sources": gettext_noop(
        "%(name)s is no known source; use the name of a source as it stands under Sources, or create that first"
    ),
}


def _name_problems(
    path: str, match: Match, known_kinds: frozenset[str] | None, known_sources: frozenset[str] | None
) -> Iterator[Problem]:
    for field, names, known in (
        ("kinds", match.kinds, known_kinds),
        ("channels", match.channels, None),
        ("sources", match.sources, known_sources),
    ):
        if len(names) > MOST_OPTIONS:
            yield Problem(
                f"{path}.{field}", gettext_noop("names more than %(most)s; use fewer"), {"most": MOST_OPTIONS}
            )
        for name in names:
            if not name.strip():
                yield Problem(f"{path}.{field}", _BLANK[field])
            elif known is not None and name not in known:
                yield Problem(f"{path}.{field}", _UNKNOWN[field], {"name": repr(name)})


def _property_problems(path: str, name: str, test: PropertyTest) -> Iterator[Problem]:
    if not name.strip():
        yield Problem(path, gettext_noop("has a blank name; name the property"))
    elif len(name) > 255:
        yield Problem(path[:120], gettext_noop("is longer than a property's name can be, 255 characters"))
    ranged = test.at_least is not None or test.at_most is not None
    given = [field for field in _TESTS if getattr(test, field) is not None]
    if len(given) + ranged != 1:
        yield Problem(
            path, gettext_noop("needs exactly one of %(names)s, or at_least / at_most"), {"names": ", ".join(_TESTS)}
        )
        return
    if test.equals is not None:
        yield from scalar_problems(f"{path}.equals", (test.equals,))
    if test.one_of is not None:
        yield from scalar_problems(f"{path}.one_of", test.one_of)
    for field in ("prefix", "contains", "pattern"):
        if getattr(test, field) == "":
            yield Problem(f"{path}.{field}", gettext_noop("is empty, which every text meets; use present instead"))
    if test.pattern:
        try:
            compile_pattern(test.pattern)
        except ValueError as error:
            fix = gettext_noop("is no valid pattern: %(error)s; write an RE2 expression (see docs/definitions.md)")
            yield Problem(f"{path}.pattern", fix, {"error": str(error)})
    yield from range_problems(path, test.at_least, test.at_most)


def signal_problems(document: DefinitionDocument) -> Iterator[Problem]:
    """What is wrong with signals, groups and the learned score."""
    groups = {group.key for group in document.groups}
    for index, signal in enumerate(document.signals):
        path = f"signals[{index}]"
        if signal.half_life_days < 0:
            yield Problem(f"{path}.half_life_days", gettext_noop("must be > 0, or 0 for points that never fade"))
        elif signal.half_life_days and not SHORTEST_HALF_LIFE <= signal.half_life_days <= LONGEST_DAYS:
            fix = gettext_noop("must lie between %(least)s and %(most)s days, or be 0 for points that never fade")
            yield Problem(f"{path}.half_life_days", fix, {"least": SHORTEST_HALF_LIFE, "most": LONGEST_DAYS})
        if abs(signal.points) > MOST_POINTS:
            yield Problem(f"{path}.points", BETWEEN, {"least": -MOST_POINTS, "most": MOST_POINTS})
        yield from _counting_problems(f"{path}.count", signal.count)
        if signal.group and signal.group not in groups:
            yield Problem(
                f"{path}.group",
                gettext_noop("%(name)s is no group of this definition; add it under groups"),
                {"name": repr(signal.group)},
            )
    for index, group in enumerate(document.groups):
        if group.cap is not None and not 0 <= group.cap <= MOST_POINTS:
            yield Problem(f"groups[{index}].cap", ZERO_TO, {"most": MOST_POINTS})
    if document.learned is not None:
        yield from _learned_problems(document.learned, document)


def _counting_problems(path: str, count: Counting) -> Iterator[Problem]:
    ways = [count.once, bool(count.once_per), count.latest is not None]
    ways.append(count.at_most is not None or count.within_days is not None)
    if sum(ways) > 1:
        yield Problem(
            path, gettext_noop("takes one of once, once_per, latest, or at_most with within_days, not several")
        )
    if len(count.once_per) > 255 or (count.once_per and not count.once_per.strip()):
        yield Problem(f"{path}.once_per", gettext_noop("must name a property, in at most 255 characters"))
    for name in ("latest", "at_most"):
        number = getattr(count, name)
        if number is not None and not 1 <= number <= MOST_POINTS:
            yield Problem(f"{path}.{name}", ONE_TO, {"most": MOST_POINTS})
    if count.at_most is not None and count.within_days is None:
        yield Problem(
            f"{path}.within_days", gettext_noop("is missing; say how long a period of at_most is, 1 for a day")
        )
    if count.within_days is not None:
        if count.at_most is None:
            yield Problem(
                f"{path}.at_most", gettext_noop("is missing; say how many weigh in each period of within_days")
            )
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
                yield Problem(
                    f"learned.{name}.{key}",
                    gettext_noop("is not part of this definition; train the learned score again"),
                )
            elif abs(weight) > MOST_LOG_ODDS:
                yield Problem(f"learned.{name}.{key}", BETWEEN, {"least": -MOST_LOG_ODDS, "most": MOST_LOG_ODDS})
    if abs(learned.intercept) > MOST_LOG_ODDS:
        yield Problem("learned.intercept", BETWEEN, {"least": -MOST_LOG_ODDS, "most": MOST_LOG_ODDS})
    for index, signal in enumerate(document.signals):
        if abs(signal.points * _weight(learned, signal)) > MOST_LOG_ODDS:
            fix = gettext_noop("times the signal's points must lie between %(least)s and %(most)s")
            limits = {"least": -MOST_LOG_ODDS, "most": MOST_LOG_ODDS}
            yield Problem(f"learned.signals.{document.signals[index].key}", fix, limits)
    for group in document.groups:
        if group.key in learned.groups and (group.cap or 0) * abs(learned.groups[group.key]) > MOST_POINTS:
            yield Problem(
                f"learned.groups.{group.key}",
                gettext_noop("times the group's cap must not be over %(most)s"),
                {"most": MOST_POINTS},
            )
    if learned.auc is not None and not 0 <= learned.auc <= 1:
        yield Problem("learned.auc", BETWEEN, {"least": 0, "most": 1})
    if learned.outcomes < 0:
        yield Problem("learned.outcomes", gettext_noop("must be >= 0"))


def _weight(learned: Learned, signal: Signal) -> float:
    weights = learned.groups if signal.group else learned.signals
    return weights.get(signal.group or signal.key, 0.0)
