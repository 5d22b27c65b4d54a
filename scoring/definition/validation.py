"""What makes a definition sound. Each problem names its path and the fix."""

from collections.abc import Iterator
from dataclasses import dataclass

from scoring.definition.document import (
    AttributeTest,
    Criterion,
    DefinitionDocument,
    Match,
    Stage,
    children_of,
    is_branch,
)

_CRITERION_FIELDS = (
    "all", "any", "not_", "engagement", "fit", "score", "count", "attribute", "gate", "qualifiers", "switch",
    "origin", "reachable",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: where, and what to do about it."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path} {self.message}"


class DefinitionError(ValueError):
    """A definition that cannot be used, with every problem found."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = problems


def find_problems(document: DefinitionDocument, *, known_kinds: frozenset[str] | None = None) -> list[Problem]:
    """Everything wrong with the document; an empty list means that it can be published.

    ``known_kinds``: when given, kind names outside it are problems too.
    """
    return [
        *_unique_keys(document),
        *_match_problems(document, known_kinds),
        *_signal_problems(document),
        *_profile_problems(document),
        *_stage_problems(document),
    ]


def _unique_keys(document: DefinitionDocument) -> Iterator[Problem]:
    for name in ("signals", "groups", "gates", "qualifiers", "stages"):
        seen: set[str] = set()
        for index, part in enumerate(getattr(document, name)):
            if part.key in seen:
                yield Problem(f"{name}[{index}].key", f"{part.key!r} is used twice; keys must be unique")
            seen.add(part.key)


def _match_problems(document: DefinitionDocument, known_kinds: frozenset[str] | None) -> Iterator[Problem]:
    matches = [(f"signals[{i}].match", signal.match) for i, signal in enumerate(document.signals)]
    for key, evidence in document.evidence.items():
        if not evidence.any_of:
            yield Problem(f"evidence.{key}.any_of", "is empty; name at least one match")
        matches += [(f"evidence.{key}.any_of[{i}]", match) for i, match in enumerate(evidence.any_of)]
    for path, match in matches:
        if match == Match(properties=match.properties):
            yield Problem(path, "must name kinds, initiator, reach or two_way")
        for name, test in match.properties.items():
            given = [field for field in ("present", "equals", "one_of") if getattr(test, field) is not None]
            if len(given) != 1:
                yield Problem(f"{path}.properties.{name}", "needs exactly one of present, equals, one_of")
        for kind in match.kinds if known_kinds is not None else ():
            if kind not in (known_kinds or ()):
                yield Problem(f"{path}.kinds", f"{kind!r} is no known event kind")


def _signal_problems(document: DefinitionDocument) -> Iterator[Problem]:
    groups = {group.key for group in document.groups}
    for index, signal in enumerate(document.signals):
        path = f"signals[{index}]"
        if signal.half_life_days < 0:
            yield Problem(f"{path}.half_life_days", "must be > 0, or 0 for points that never fade")
        if abs(signal.points) > 1_000_000:
            yield Problem(f"{path}.points", "must lie between -1,000,000 and 1,000,000")
        if signal.count.latest is not None and signal.count.latest < 1:
            yield Problem(f"{path}.count.latest", "must be >= 1")
        if signal.count.once and signal.count.latest is not None:
            yield Problem(f"{path}.count", "takes once or latest, not both")
        if signal.group and signal.group not in groups:
            yield Problem(f"{path}.group", f"{signal.group!r} is no group of this definition")
        if signal.group and signal.points < 0:
            yield Problem(f"{path}.group", "must be empty for negative points; a cap bounds what adds up")
    for index, group in enumerate(document.groups):
        if group.cap is not None and group.cap <= 0:
            yield Problem(f"groups[{index}].cap", "must be > 0")


def _profile_problems(document: DefinitionDocument) -> Iterator[Problem]:
    for index, rule in enumerate(document.fit.rules):
        yield from _attribute_problems(f"fit.rules[{index}].test", rule.test)
    for index, qualifier in enumerate(document.qualifiers):
        yield from _attribute_problems(f"qualifiers[{index}].test", qualifier.test)
    lifted_by = document.cool_down.lifted_by
    if lifted_by and lifted_by not in document.evidence:
        yield Problem("cool_down.lifted_by", f"{lifted_by!r} is no evidence of this definition")
    if document.cool_down.days < 0:
        yield Problem("cool_down.days", "must be >= 0")


def _attribute_problems(path: str, test: AttributeTest) -> Iterator[Problem]:
    ranged = test.at_least is not None or test.at_most is not None
    given = ranged + sum(getattr(test, field) is not None for field in ("equals", "one_of", "words"))
    if given != 1:
        yield Problem(path, "needs exactly one of equals, one_of, words, or at_least / at_most")


def _stage_problems(document: DefinitionDocument) -> Iterator[Problem]:
    if not document.stages:
        yield Problem("stages", "is empty; a definition needs at least one stage")
    for index, stage in enumerate(document.stages):
        path = f"stages[{index}]"
        if stage.flag_unless is not None:
            yield from _tree_problems(f"{path}.flag_unless", stage.flag_unless, document)
        if index == 0:
            if stage.enter is not None or stage.keep is not None:
                yield Problem(path, "is the weakest stage, everyone's floor; remove its enter and keep")
            continue
        if stage.enter is None:
            yield Problem(f"{path}.enter", "is missing; only the weakest stage has none")
            continue
        yield from _tree_problems(f"{path}.enter", stage.enter, document)
        if not needs_event(stage.enter):
            yield Problem(f"{path}.enter", "can be met by attributes alone; require engagement or a count of events")
        if stage.keep is not None:
            yield from _tree_problems(f"{path}.keep", stage.keep, document)
            if not implies(stage.enter, stage.keep):
                yield Problem(f"{path}.keep", _keep_advice(stage))
        if stage.handoff and stage.key == "customer":
            yield Problem(f"{path}.handoff", "must not be set on customer; a customer is not offered to Sales")


def _keep_advice(stage: Stage) -> str:
    return (
        f"does not hold for every contact that enters {stage.key!r}; "
        "make its windows no shorter and its thresholds no higher than those of enter"
    )


def _tree_problems(path: str, node: Criterion, document: DefinitionDocument) -> Iterator[Problem]:
    given = [field for field in _CRITERION_FIELDS if getattr(node, field) is not None]
    if len(given) != 1:
        names = ", ".join(field.rstrip("_") for field in _CRITERION_FIELDS)
        yield Problem(path, f"needs exactly one of {names}")
        return
    if is_branch(node):
        if not children_of(node):
            yield Problem(f"{path}.{given[0]}", "is empty; name at least one criterion")
        for index, child in enumerate(children_of(node)):
            yield from _tree_problems(f"{path}.{given[0].rstrip('_')}[{index}]", child, document)
    if node.count is not None:
        for field, name in (("of", node.count.of), ("after", node.count.after)):
            if name not in document.evidence and (name or field == "of"):
                yield Problem(f"{path}.count.{field}", f"{name!r} is no evidence of this definition")
        if node.count.at_least < 1:
            yield Problem(f"{path}.count.at_least", "must be >= 1")
        if node.count.within_days is not None and node.count.within_days <= 0:
            yield Problem(f"{path}.count.within_days", "must be > 0")
    if node.gate is not None and node.gate not in {gate.key for gate in document.gates}:
        yield Problem(f"{path}.gate", f"{node.gate!r} is no gate of this definition")
    if node.switch is not None and node.switch not in document.switches:
        yield Problem(f"{path}.switch", f"{node.switch!r} is no switch of this definition")
    if node.attribute is not None:
        yield from _attribute_problems(f"{path}.attribute", node.attribute)


def needs_event(node: Criterion) -> bool:
    """Whether the criterion can only be met with at least one counted event (PRODUCT hard rule 1)."""
    if node.all is not None:
        return any(needs_event(child) for child in node.all)
    if node.any is not None:
        return all(needs_event(child) for child in node.any)
    if node.engagement is not None:
        return node.engagement.at_least > 0
    return node.count is not None


def implies(strong: Criterion, weak: Criterion) -> bool:
    """Whether ``weak`` provably holds wherever ``strong`` does; True is certain, False may be over-careful."""
    if strong.any is not None:
        return all(implies(child, weak) for child in strong.any)
    if weak.all is not None:
        return all(implies(strong, child) for child in weak.all)
    if strong.all is not None and any(implies(child, weak) for child in strong.all):
        return True
    if weak.any is not None:
        return any(implies(strong, child) for child in weak.any)
    if strong.not_ is not None and weak.not_ is not None:
        return implies(weak.not_, strong.not_)
    return _leaf_implies(strong, weak)


def _leaf_implies(strong: Criterion, weak: Criterion) -> bool:
    for name in ("engagement", "fit", "score"):
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
