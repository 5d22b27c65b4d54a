"""The smallest step: the fewest, most ordinary events or attribute values that would bring a contact to a stage."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement, count, islice

import numpy as np

from scoring.definition import AttributeTest, DefinitionDocument, Match
from scoring.engine.coding import CodedMatch, KindFacts
from scoring.engine.compiled import Compiled
from scoring.engine.facts import NEVER, UNKNOWN_PAST, Facts, Prior
from scoring.engine.judging import judge
from scoring.engine.profile import Assessor, learned_rules, meets
from scoring.engine.properties import EXAMPLE, meets_property, number_of, value_meeting

# More than this many event rows at once would make a page wait; larger steps are then not searched.
MOST_ROWS = 2_000_000
LONGEST_STEP = 3

# Attribute values to name where any will do.
_KNOWN: dict[str, object] = {
    "email": "known@example.com",
    "phone": "+4930123456",
    "means": "yes",
    "authority": "yes",
    "country": "DE",
    "details_confirmed": True,
    "company.employees": 50,
}


@dataclass(frozen=True, slots=True)
class Move:
    """One thing that could happen: an event of ``kind_id``, or else attribute ``name`` taking ``value``.

    ``properties`` are what the event must carry, its ``source`` the name of the source that it must come through ("":
    any); ``codes`` the rows that it then has, with the number of the value that each carries. The property ``fresh``
    has a value that no other event of the contact has.
    """

    kind_id: int = 0
    codes: tuple[tuple[int, int], ...] = ()
    properties: tuple[tuple[str, object], ...] = ()
    source: str = ""
    fresh: str = ""
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
    ranks = {move: place for place, move in enumerate(moves)}
    for length in range(1, LONGEST_STEP + 1):
        most = MOST_ROWS // (len(facts.event_at) + length)
        steps = list(islice(filter(_is_plain, combinations_with_replacement(moves, length)), most + 1))
        if not steps or len(steps) > most:
            break
        settled = [_settled(compiled, facts, step) for step in steps]
        copies = _copies(facts, settled, profile, assessor, at)
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
            best = min(reached, key=lambda place: (int(verdicts.stage[place]), sum(ranks[m] for m in steps[place])))
            return settled[int(best)]
    return ()


def _is_plain(step: Sequence[Move]) -> bool:
    """Whether no attribute is given two values."""
    names = [move.name for move in step if move.name]
    return len(names) == len(set(names))


def _settled(compiled: Compiled, facts: Facts, step: Sequence[Move]) -> tuple[Move, ...]:
    """The step with a value of its own for each property that must be fresh."""
    if not any(move.fresh for move in step):
        return tuple(step)
    taken = set(facts.event_value.tolist())
    found = []
    for move in step:
        if move.fresh:
            value = next(text for number in count(1) if number_of(text := f"{EXAMPLE} {number}") not in taken)
            taken.add(number_of(value))
            carried = {**dict(move.properties), move.fresh: value}
            codes = _codes(compiled, move.kind_id, carried, move.source)
            found.append(replace(move, properties=tuple(carried.items()), codes=codes))
        else:
            found.append(move)
    return tuple(found)


def _event_moves(compiled: Compiled, kinds: Sequence[KindFacts]) -> Iterator[Move]:
    """Events that the definition looks at and that the contact has a part in, the lightest first."""
    looked_at = [leaf.count.of for leaf in compiled.leaves if leaf.count is not None]
    found: dict[object, tuple[float, int, int, Move]] = {}
    for kind in kinds:
        # What was mapped to a kind asks for nothing that the kind itself does not.
        if kind.initiator not in ("them", "both") or kind.sent_as:
            continue
        for move in _variants(compiled, kind.id):
            codes = [code for code, _ in move.codes]
            signals = [int(layer.signal_of[code]) for layer in compiled.layers for code in codes]
            weights = [float(compiled.points[signal]) for signal in signals if signal >= 0]
            matters = bool(weights) or any(table[codes].any() for table in looked_at)
            if not matters or sum(weights) < 0:
                continue
            # What weighs nothing but counts (a purchase) is the least ordinary of all.
            rank = sum(weights) if weights else float("inf"), kind.id, len(move.properties) + bool(move.source), move
            known = found.setdefault((kind.id, move.codes, move.fresh), rank)
            if rank[:3] < known[:3]:
                found[kind.id, move.codes, move.fresh] = rank
    return (rank[3] for rank in sorted(found.values(), key=lambda rank: rank[:3]))


def _variants(compiled: Compiled, kind_id: int) -> Iterator[Move]:
    """The event as it is, as each match on more than kinds wants it, and as all of them want it together."""
    asked = [coded for coded in compiled.property_matches if kind_id in coded.kind_ids]
    wanted: list[tuple[dict[str, object], str]] = [({}, "")]
    for coded in asked:
        carried = _carried(coded.match)
        if carried is not None:
            wanted.append((carried, coded.match.sources[0] if coded.match.sources else ""))
    if len(wanted) > 2:
        together: dict[str, object] = {}
        for carried, _ in wanted:
            together |= {name: value for name, value in carried.items() if name not in together}
        wanted.append((together, next((source for _, source in wanted if source), "")))
    for carried, source in wanted:
        plain = Move(kind_id, _codes(compiled, kind_id, carried, source), tuple(carried.items()), source)
        yield plain
        own = {code for code, _ in plain.codes}
        for name in dict.fromkeys(coded.value_of for coded in asked if coded.value_of and coded.code in own):
            if name not in carried or carried[name] == EXAMPLE:
                yield replace(plain, fresh=name)


def _carried(match: Match) -> dict[str, object] | None:
    """Properties of an event that meets the match; None where no value is known that does."""
    # An event's channel is the property of that name, as every way in reads it.
    carried: dict[str, object] = {"channel": match.channels[0]} if match.channels else {}
    for name, test in match.properties.items():
        value = value_meeting(test)
        if value is not None:
            carried.setdefault(name, value)
    return carried if _meets(match, carried, match.sources[0] if match.sources else "") else None


def _meets(match: Match, carried: Mapping[str, object], source: str) -> bool:
    return (
        (not match.channels or carried.get("channel") in match.channels)
        and (not match.sources or source in match.sources)
        and all(meets_property(test, carried.get(name)) for name, test in match.properties.items())
    )


def _codes(compiled: Compiled, kind_id: int, carried: Mapping[str, object], source: str) -> tuple[tuple[int, int], ...]:
    """The rows that an event has: its kind, and each match of its own that it meets, with the value carried."""

    def value(coded: CodedMatch) -> int:
        return number_of(carried.get(coded.value_of)) if coded.value_of else 0

    met = [one for one in compiled.property_matches if kind_id in one.kind_ids and _meets(one.match, carried, source)]
    return ((kind_id, 0), *((coded.code, value(coded)) for coded in met))


def _attribute_moves(document: DefinitionDocument, profile: Mapping[str, object]) -> Iterator[Move]:
    """Attribute values that would meet a test which the present value does not decide in the contact's favour."""
    if not profile.get("email") and not profile.get("phone"):
        yield Move(name="email", value=_KNOWN["email"])
    for gate in document.gates:
        opened: object = "no" if gate.closed_when == "yes" else "yes"
        if isinstance(gate.closed_when, bool):
            opened = not gate.closed_when
        if profile.get(gate.attribute) != opened:
            yield Move(name=gate.attribute, value=opened)
    tests = [leaf.attribute for leaf in document.leaves() if leaf.attribute is not None]
    tests += [qualifier.test for qualifier in document.qualifiers]
    tests += [rule.test for rule in document.fit.rules if rule.points > 0]
    learned = document.learned
    tests += [rule.test for rule in learned_rules(document) if learned and learned.fit_rules[rule.key] > 0]
    for test in dict.fromkeys(tests):
        value = _value_meeting(test)
        if _can_be(test.name, value) and meets(test, value) and not meets(test, profile.get(test.name)):
            yield Move(name=test.name, value=value)


def _can_be(name: str, value: object) -> bool:
    """Whether a contact's attribute can have the value, whatever a definition asks of it."""
    if name in ("means", "authority"):
        return value in ("yes", "no")
    if name == "company.employees":
        return isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if name == "details_confirmed":
        return isinstance(value, bool)
    return isinstance(value, str) or (name.startswith("attributes.") and value is not None)


def _value_meeting(test: AttributeTest) -> object:
    if test.known is not None:
        # What is known is not made unknown by something that happens.
        return _KNOWN.get(test.name, "known") if test.known else None
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
    added = [(place, *row) for place, step in enumerate(steps) for move in step for row in move.codes]
    places, codes, numbers = np.array(added, dtype=np.int64).reshape(len(added), 3).T
    assessed = []
    for step in steps:
        values = {**profile, **{move.name: move.value for move in step if move.name}}
        assessed.append(assessor.assess([values.get(name) for name in assessor.attributes]))
    return Facts(
        contacts=many,
        event_contact=np.concatenate([np.repeat(np.arange(many), size), places]),
        event_at=np.concatenate([np.tile(facts.event_at, many), np.full(len(added), at, dtype=np.int64)]),
        event_code=np.concatenate([np.tile(facts.event_code, many), codes.astype(np.int16)]),
        event_id=np.empty(0, dtype=np.int64),
        event_value=np.concatenate([np.tile(facts.event_value, many), numbers])
        if len(facts.event_value) == size
        else numbers[:0],
        profile_contact=np.arange(many),
        profile_at=np.full(many, UNKNOWN_PAST, dtype=np.int64),
        profile_fit=np.array([assessment.fit for assessment in assessed], dtype=np.int64),
        profile_answers=np.array([assessment.answers for assessment in assessed], dtype=np.bool_),
        first_seen=np.full(many, NEVER, dtype=np.int64),
        ordered=False,
    )


def events_of(step: Sequence[Move]) -> list[tuple[Move, int]]:
    """The events of a step, each with how many times it happens."""
    return list(Counter(move for move in step if move.kind_id).items())
