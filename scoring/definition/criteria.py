"""Whether criteria are sound: what they ask for exists, an event is needed to enter, and entering implies keeping."""

from collections.abc import Iterator
from dataclasses import dataclass

from scoring.definition.document import (
    AttributeTest,
    Count,
    Criterion,
    DefinitionDocument,
    Scalar,
    children_of,
    is_branch,
)
from scoring.definition.problems import Problem, gettext_noop

CRITERION_FIELDS = (
    "all", "any", "not_", "engagement", "fit", "score", "likelihood", "count", "attribute", "gate", "qualifiers",
    "switch", "origin", "reachable",
)  # fmt: skip

DEEPEST_TREE = 12
MOST_CRITERIA = 200
MOST_OPTIONS = 1_000
LONGEST_DAYS = 36_500
# Shorter than a minute and a half means nothing: time is looked at by the minute.
SHORTEST_DAYS = 0.001
MOST_POINTS = 1_000_000
LARGEST_NUMBER = 10**15

# Said of many fields.
BETWEEN = gettext_noop("must lie between %(least)s and %(most)s")
ONE_TO = gettext_noop("must be >= 1 and at most %(most)s")
ZERO_TO = gettext_noop("must be >= 0 and at most %(most)s")
TOO_LONG = gettext_noop("is longer than %(most)s characters; shorten it")
TOO_MANY = gettext_noop("holds more than %(most)s; use fewer")
TOO_DEEP = gettext_noop("is nested deeper than %(most)s levels; use fewer")
TWICE = gettext_noop("%(name)s is used twice; keys must be unique")
_NO_GATE = gettext_noop("%(name)s is no gate of this definition; use one of %(names)s")
_NO_GATE_YET = gettext_noop("%(name)s is no gate of this definition; there is none yet, so add it first")
_NO_SWITCH = gettext_noop("%(name)s is no switch of this definition; use one of %(names)s")
_NO_SWITCH_YET = gettext_noop("%(name)s is no switch of this definition; there is none yet, so add it first")
_NO_EVIDENCE = gettext_noop("%(name)s is no evidence of this definition; use one of %(names)s")
_NO_EVIDENCE_YET = gettext_noop("%(name)s is no evidence of this definition; there is none yet, so add it first")


def criteria_problems(document: DefinitionDocument) -> Iterator[Problem]:
    """What is wrong with the stages' criteria."""
    if not document.stages:
        yield Problem("stages", gettext_noop("is empty; a definition needs at least one stage"))
    for index, stage in enumerate(document.stages):
        path = f"stages[{index}]"
        if stage.flag_unless is not None:
            yield from tree_problems(f"{path}.flag_unless", stage.flag_unless, document)
        if index == 0:
            if stage.enter is not None or stage.keep is not None:
                yield Problem(path, gettext_noop("is the weakest stage, everyone's floor; remove its enter and keep"))
            continue
        if stage.enter is None:
            yield Problem(f"{path}.enter", gettext_noop("is missing; only the weakest stage has none"))
            continue
        faults = list(tree_problems(f"{path}.enter", stage.enter, document))
        if stage.keep is not None:
            faults += tree_problems(f"{path}.keep", stage.keep, document)
        yield from faults
        if faults:
            continue
        if not needs_event(stage.enter):
            yield Problem(
                f"{path}.enter",
                gettext_noop("can be met by attributes alone; require engagement or a count of events"),
            )
        if stage.keep is not None and not implies(stage.enter, stage.keep):
            yield Problem(f"{path}.keep", _KEEP_ADVICE, {"stage": repr(stage.key)})


_KEEP_ADVICE = gettext_noop(
    "does not hold for every contact that enters %(stage)s; make its windows no shorter and its thresholds no higher "
    "than those of enter"
)


def tree_problems(path: str, root: Criterion, document: DefinitionDocument) -> Iterator[Problem]:
    """What is wrong with one tree of criteria."""
    known = _Known.of(document)
    seen = 0
    waiting = [(path, root, 1)]
    while waiting:
        here, node, depth = waiting.pop(0)
        seen += 1
        if seen > MOST_CRITERIA:
            yield Problem(path, gettext_noop("holds more than %(most)s criteria; use fewer"), {"most": MOST_CRITERIA})
            return
        if depth > DEEPEST_TREE:
            yield Problem(here, TOO_DEEP, {"most": DEEPEST_TREE})
            return
        given = [field for field in CRITERION_FIELDS if getattr(node, field) is not None]
        if len(given) != 1:
            names = ", ".join(field.rstrip("_") for field in CRITERION_FIELDS)
            yield Problem(here, gettext_noop("needs exactly one of %(names)s"), {"names": names})
            continue
        if not is_branch(node):
            yield from _leaf_problems(here, node, known)
            continue
        name = given[0].rstrip("_")
        if not children_of(node):
            yield Problem(f"{here}.{name}", gettext_noop("is empty; name at least one criterion"))
        for index, child in enumerate(children_of(node)):
            waiting.append((f"{here}.{name}" if name == "not" else f"{here}.{name}[{index}]", child, depth + 1))


@dataclass(frozen=True, slots=True)
class _Known:
    """What the leaves of a tree may name."""

    evidence: frozenset[str]
    gates: frozenset[str]
    switches: frozenset[str]

    @classmethod
    def of(cls, document: DefinitionDocument) -> "_Known":
        gates = frozenset(gate.key for gate in document.gates)
        return cls(frozenset(document.evidence), gates, frozenset(document.switches))


def _leaf_problems(path: str, node: Criterion, known: _Known) -> Iterator[Problem]:
    for name in ("engagement", "fit", "score"):
        threshold = getattr(node, name)
        if threshold is not None and abs(threshold.at_least) > MOST_POINTS:
            yield Problem(f"{path}.{name}.at_least", BETWEEN, {"least": -MOST_POINTS, "most": MOST_POINTS})
    if node.likelihood is not None and not 0.000001 <= node.likelihood.at_least <= 0.999999:
        yield Problem(f"{path}.likelihood.at_least", gettext_noop("must lie above 0 and below 1, as in 0.3 for 30 %"))
    if node.count is not None:
        yield from _count_problems(f"{path}.count", node.count, known)
    if node.gate is not None and node.gate not in known.gates:
        yield _unknown(f"{path}.gate", _NO_GATE, _NO_GATE_YET, node.gate, known.gates)
    if node.switch is not None and node.switch not in known.switches:
        yield _unknown(f"{path}.switch", _NO_SWITCH, _NO_SWITCH_YET, node.switch, known.switches)
    if node.attribute is not None:
        yield from attribute_problems(f"{path}.attribute", node.attribute)


def _count_problems(path: str, count: Count, known: _Known) -> Iterator[Problem]:
    for field, name in (("of", count.of), ("after", count.after)):
        if name not in known.evidence and (name or field == "of"):
            yield _unknown(f"{path}.{field}", _NO_EVIDENCE, _NO_EVIDENCE_YET, name, known.evidence)
    if not 1 <= count.at_least <= MOST_POINTS:
        yield Problem(f"{path}.at_least", ONE_TO, {"most": MOST_POINTS})
    if count.within_days is not None:
        yield from days_problems(f"{path}.within_days", count.within_days)


def days_problems(path: str, days: float) -> Iterator[Problem]:
    """What is wrong with a length of time in days that must be one."""
    if days <= 0:
        yield Problem(path, gettext_noop("must be > 0"))
    elif not SHORTEST_DAYS <= days <= LONGEST_DAYS:
        yield Problem(
            path,
            gettext_noop("must lie between %(least)s and %(most)s days"),
            {"least": SHORTEST_DAYS, "most": LONGEST_DAYS},
        )


def _unknown(path: str, message: str, none_yet: str, name: str, names: frozenset[str]) -> Problem:
    if not names:
        return Problem(path, none_yet, {"name": repr(name)})
    return Problem(path, message, {"name": repr(name), "names": ", ".join(sorted(names)[:20])})


def attribute_problems(path: str, test: AttributeTest) -> Iterator[Problem]:
    """What is wrong with a test of an attribute."""
    if not test.name.strip():
        yield Problem(f"{path}.name", gettext_noop("is blank; name an attribute, as in job_title or company.employees"))
    elif len(test.name) > 255:
        yield Problem(f"{path}.name", TOO_LONG, {"most": 255})
    ranged = test.at_least is not None or test.at_most is not None
    given = [name for name in ("known", "equals", "one_of", "words") if getattr(test, name) is not None]
    if len(given) + ranged != 1:
        yield Problem(
            path,
            gettext_noop("needs exactly one of %(names)s, or at_least / at_most"),
            {"names": "known, equals, one_of, words"},
        )
        return
    if test.equals is not None:
        yield from scalar_problems(f"{path}.equals", (test.equals,))
    if test.one_of is not None:
        yield from scalar_problems(f"{path}.one_of", test.one_of)
    if test.words is not None:
        if not test.words or len(test.words) > MOST_OPTIONS:
            yield Problem(f"{path}.words", gettext_noop("must name 1 to %(most)s words"), {"most": MOST_OPTIONS})
        for index, word in enumerate(test.words):
            if not any(character.isalnum() or character == "_" for character in word):
                yield Problem(f"{path}.words[{index}]", gettext_noop("has no letter or digit; name a word"))
    yield from range_problems(path, test.at_least, test.at_most)


def scalar_problems(path: str, options: tuple[Scalar, ...]) -> Iterator[Problem]:
    """What is wrong with values to compare with; an unknown value equals nothing."""
    if not options or len(options) > MOST_OPTIONS:
        yield Problem(path, gettext_noop("must name 1 to %(most)s values"), {"most": MOST_OPTIONS})
    if any(isinstance(option, str) and not option.strip() for option in options):
        yield Problem(path, gettext_noop("holds blank text, which equals nothing; name a value"))


def range_problems(path: str, at_least: float | None, at_most: float | None) -> Iterator[Problem]:
    """What is wrong with the bounds of a range."""
    for name, bound in (("at_least", at_least), ("at_most", at_most)):
        if bound is not None and abs(bound) > LARGEST_NUMBER:
            yield Problem(f"{path}.{name}", BETWEEN, {"least": -LARGEST_NUMBER, "most": LARGEST_NUMBER})
    if at_least is not None and at_most is not None and at_least > at_most:
        yield Problem(f"{path}.at_most", gettext_noop("must be >= at_least (%(least)s)"), {"least": f"{at_least:g}"})


def needs_event(node: Criterion) -> bool:
    """Whether the criterion can only be met with at least one counted event (PRODUCT hard rule 1).

    A likelihood and a score may be reached by attributes alone.
    """
    if node.all is not None:
        return any(needs_event(child) for child in node.all)
    if node.any is not None:
        return all(needs_event(child) for child in node.any)
    if node.engagement is not None:
        return round(node.engagement.at_least * 1000) > 0
    return node.count is not None


def implies(strong: Criterion, weak: Criterion) -> bool:
    """Whether ``weak`` provably holds wherever ``strong`` does; True is certain, False may be over-careful."""
    # Each pair of nodes is looked at once: without this, deep trees of many branches take for ever.
    known: dict[tuple[int, int], bool] = {}

    def follows(strong: Criterion, weak: Criterion) -> bool:
        pair = id(strong), id(weak)
        if pair not in known:
            known[pair] = work_out(strong, weak)
        return known[pair]

    def work_out(strong: Criterion, weak: Criterion) -> bool:
        if strong.any is not None:
            return all(follows(child, weak) for child in strong.any)
        if weak.all is not None:
            return all(follows(strong, child) for child in weak.all)
        if strong.all is not None and any(follows(child, weak) for child in strong.all):
            return True
        if weak.any is not None:
            return any(follows(strong, child) for child in weak.any)
        if strong.not_ is not None and weak.not_ is not None:
            return follows(weak.not_, strong.not_)
        return _leaf_implies(strong, weak)

    return follows(strong, weak)


def _leaf_implies(strong: Criterion, weak: Criterion) -> bool:
    for name in ("engagement", "fit", "score", "likelihood"):
        needed, enough = getattr(strong, name), getattr(weak, name)
        if needed is not None and enough is not None:
            return bool(needed.at_least >= enough.at_least)
    if strong.count is not None and weak.count is not None:
        same_events = strong.count.of == weak.count.of and weak.count.after in ("", strong.count.after)
        wide_enough = weak.count.within_days is None or (
            strong.count.within_days is not None and strong.count.within_days <= weak.count.within_days
        )
        return same_events and wide_enough and strong.count.at_least >= weak.count.at_least
    return strong == weak
