"""The smallest step: the fewest, most ordinary events or attribute values that would bring a contact to a stage."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np

from scoring.definition import AttributeTest, DefinitionDocument
from scoring.engine.coding import KindFacts
from scoring.engine.compiled import Compiled
from scoring.engine.facts import NEVER, UNKNOWN_PAST, Facts, Prior
from scoring.engine.judging import judge
from scoring.engine.profile import Assessor

# More than this many event rows at once would make a page wait; larger steps are then not searched.
MOST_ROWS = 2_000_000
LONGEST_STEP = 3


@dataclass(frozen=True, slots=True)
class Move:
    """One thing that could happen: an event of ``kind_id``, or else attribute ``name`` taking ``value``."""

    kind_id: int = 0
    codes: tuple[int, ...] = ()
    name: str = ""
    value: object = None


def smallest_step(
    compiled: Compiled,
    facts: Facts,
    profile: Mapping[str, object],
    kinds: Sequence[KindFacts],
    *,
    at: int,
    prior: Prior,
    target: int,
) -> tuple[Move, ...]:
    """The least that, happening at ``at``, makes a single contact enter stage rank ``target``; empty if none does.

    Fewer moves go before more, then the more ordinary ones: events that weigh less before those that weigh
    more, events before attributes. All steps of one length are judged together, each on a copy of the facts.
    ``profile``: the attribute values in force.
    """
    assessor = Assessor(compiled.document)
    moves = [*_event_moves(compiled, kinds), *_attribute_moves(compiled.document, profile)]
    for length in range(1, LONGEST_STEP + 1):
        steps = [step for step in combinations_with_replacement(moves, length) if _is_plain(step)]
        if not steps or len(steps) * (len(facts.event_at) + length) > MOST_ROWS:
            break
        copies = _copies(facts, steps, profile, assessor, at)
        many = len(steps)
        verdicts = judge(
            compiled,
            copies,
            np.full(many, at, dtype=np.int64),
            Prior(np.repeat(prior.stage, many), np.repeat(prior.furthest, many)),
        )
        reached = np.flatnonzero(verdicts.enter[:, target])
        if len(reached):
            # A step that stops right at the stage is asked for before one that leaps over it.
            best = min(reached, key=lambda place: (int(verdicts.stage[place]), _rank(steps[place], moves)))
            return steps[int(best)]
    return ()


def _is_plain(step: Sequence[Move]) -> bool:
    """Whether no attribute is given two values."""
    names = [move.name for move in step if move.name]
    return len(names) == len(set(names))


def _rank(step: Sequence[Move], moves: Sequence[Move]) -> int:
    return sum(moves.index(move) for move in step)


def _event_moves(compiled: Compiled, kinds: Sequence[KindFacts]) -> Iterator[Move]:
    """Events that the definition looks at and that the contact has a part in, the lightest first."""
    looked_at = [leaf.count.of for leaf in compiled.leaves if leaf.count is not None]
    weight_of: dict[int, float] = {}
    for layer in compiled.layers:
        for kind in kinds:
            signal = int(layer.signal_of[kind.id])
            if signal >= 0:
                weight_of[kind.id] = weight_of.get(kind.id, 0.0) + float(compiled.points[signal])
    found: list[tuple[float, int, Move]] = []
    for kind in kinds:
        codes = (kind.id, *(code for code, ids, *_ in compiled.property_matches if kind.id in ids))
        matters = kind.id in weight_of or any(table[list(codes)].any() for table in looked_at)
        if matters and kind.initiator in ("them", "both") and weight_of.get(kind.id, 0) >= 0:
            # What weighs nothing but counts (a purchase) is the least ordinary of all.
            found.append((weight_of.get(kind.id, float("inf")), kind.id, Move(kind_id=kind.id, codes=codes)))
    return (move for _, _, move in sorted(found, key=lambda item: item[:2]))


def _attribute_moves(document: DefinitionDocument, profile: Mapping[str, object]) -> Iterator[Move]:
    """Attribute values that would meet a test which the present value does not decide in the contact's favour."""
    if not profile.get("email") and not profile.get("phone"):
        yield Move(name="email", value="known@example.com")
    for gate in document.gates:
        if profile.get(gate.attribute) != "yes":
            yield Move(name=gate.attribute, value="yes")
    tests = [leaf.attribute for leaf in document.leaves() if leaf.attribute is not None]
    tests += [rule.test for rule in document.fit.rules if rule.points > 0]
    for test in dict.fromkeys(tests):
        yield Move(name=test.name, value=_value_meeting(test))


def _value_meeting(test: AttributeTest) -> object:
    if test.equals is not None:
        return test.equals
    if test.one_of is not None:
        return test.one_of[0]
    if test.words is not None:
        return test.words[0]
    bound = test.at_least if test.at_least is not None else test.at_most
    return int(bound) if bound is not None and bound.is_integer() else bound


def _copies(
    facts: Facts, steps: Sequence[Sequence[Move]], profile: Mapping[str, object], assessor: Assessor, at: int
) -> Facts:
    """The contact's facts once for each step, with the step's events and attributes added."""
    many, size = len(steps), len(facts.event_at)
    added = [(place, code) for place, step in enumerate(steps) for move in step for code in move.codes]
    assessed = []
    for step in steps:
        values = {**profile, **{move.name: move.value for move in step if move.name}}
        assessed.append(assessor.assess([values.get(name) for name in assessor.attributes]))
    return Facts(
        contacts=many,
        event_contact=np.concatenate(
            [np.repeat(np.arange(many), size), np.array([p for p, _ in added], dtype=np.int64)]
        ),
        event_at=np.concatenate([np.tile(facts.event_at, many), np.full(len(added), at, dtype=np.int64)]),
        event_code=np.concatenate([np.tile(facts.event_code, many), np.array([c for _, c in added], dtype=np.int16)]),
        event_id=np.empty(0, dtype=np.int64),
        profile_contact=np.arange(many),
        profile_at=np.full(many, UNKNOWN_PAST, dtype=np.int64),
        profile_fit=np.array([assessment.fit for assessment in assessed], dtype=np.int64),
        profile_answers=np.array([assessment.answers for assessment in assessed], dtype=np.bool_),
        first_seen=np.full(many, NEVER, dtype=np.int64),
        ordered=False,
    )
