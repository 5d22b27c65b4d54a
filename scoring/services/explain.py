"""Why a contact stands where it stands, at any moment, and what would change it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from contacts.models import Contact, Event, Standing
from scoring.definition import Criterion, DefinitionDocument
from scoring.engine import UNKNOWN_PAST, Assessor, Compiled, Facts, Prior, Timeline, Verdicts, judge, replay, take_apart
from scoring.engine.compiled import FIRST_PROPERTY_CODE, KindFacts, Node
from scoring.engine.facts import DAY
from scoring.engine.judging import node_truth
from scoring.engine.replaying import Change, next_change
from scoring.engine.stepping import smallest_step
from scoring.matching import load_kinds
from scoring.models import Definition, Transition
from scoring.moments import to_datetime, to_micros
from scoring.selectors import compile_row, load_facts, profile_values, reigns
from scoring.wording import day, describe, kind_phrase, points, reason_of_count, step_sentence

# How far ahead "when will it fall if nothing happens" looks.
HORIZON = 400 * DAY


@dataclass(slots=True)
class _Case:
    """Everything one explanation needs, judged."""

    contact: Contact
    at: datetime
    compiled: Compiled
    facts: Facts
    verdicts: Verdicts
    rank: int
    furthest: int
    since: datetime
    profile: dict[str, object]
    kinds: tuple[KindFacts, ...]

    def kind_name(self, kind_id: int) -> str:
        """Name of an event kind."""
        return next((kind.name for kind in self.kinds if kind.id == kind_id), "")

    @property
    def document(self) -> DefinitionDocument:
        return self.compiled.document


def explain_contact(*, contact_id: int, at: datetime, definition: Definition | None = None) -> dict[str, Any]:
    """Explain one contact's stage at a moment; computed live, nothing is written.

    Without ``definition`` under the one in force then; with one, from the facts as if it had always been in
    force. The answer is JSON-ready, times ISO 8601, scores in points; see docs/explaining.md for its keys.

    Raises:
        Contact.DoesNotExist: when there is no such contact.
    """
    case = _open_case(contact_id, at, definition)
    ledger = take_apart(case.compiled, case.facts, to_micros(at))
    events = _event_kinds([line.event_id for line in ledger.lines if line.event_id >= 0])
    version = case.compiled.version
    stage = case.document.stages[case.rank]
    assessment = Assessor(case.document).assess(list(case.profile.values()))
    return {
        "contact": str(contact_id),
        "at": at.isoformat(),
        "definition": version,
        "stage": {
            "key": stage.key,
            "label": stage.label,
            "since": case.since.isoformat(),
            "furthest": case.document.stages[case.furthest].key,
        },
        "scores": {
            "engagement": ledger.total / 1000,
            "fit": assessment.fit / 1000,
            "fit_threshold": case.document.fit_threshold,
        },
        "sentence": _sentence(case),
        "ledger": [
            {
                "event": str(line.event_id) if line.event_id >= 0 else None,
                "kind": events.get(line.event_id),
                "occurred_at": to_datetime(line.occurred_at).isoformat() if line.event_id >= 0 else None,
                "rule": line.signal,
                "label": line.label,
                "definition": version,
                "raw": line.raw / 1000,
                "decay": round(line.decay, 6),
                "points": line.millipoints / 1000,
                "cap": line.event_id < 0,
            }
            for line in ledger.lines
        ],
        "fit_ledger": [
            {
                "rule": case.document.fit.rules[index].key,
                "label": case.document.fit.rules[index].label,
                "value": case.profile.get(case.document.fit.rules[index].test.name),
                "points": millipoints / 1000,
            }
            for index, millipoints in assessment.lines
        ],
        "criteria": [_stage_criteria(case, rank) for rank in range(case.compiled.stage_count)],
        "questions": _open_questions(case),
        "flag": _flag(case),
        "next_stage": _next_stage(case),
        "next_change": _next_change(case),
    }


def _open_case(contact_id: int, at: datetime, definition: Definition | None) -> _Case:
    contact = Contact.objects.select_related("company").get(pk=contact_id)
    micros = to_micros(at)
    compiled = compile_row(definition) if definition else _compiled_at(micros)
    assessor = Assessor(compiled.document)
    ids = np.array([contact_id], dtype=np.int64)
    facts = load_facts(ids, compiled, assessor, until=at, with_event_ids=True)
    chain = [] if definition else list(_chain(contact_id, at))
    recorded = bool(chain) and Standing.objects.filter(pk=contact_id, evaluated_at__gte=at).exists()
    if chain:
        rank = compiled.document.stage_rank(chain[-1].to_stage)
        furthest = max(compiled.document.stage_rank(row.to_stage) for row in chain)
        since = chain[-1].effective_at
    else:
        timeline = Timeline.start(1)
        replay(compiled, facts, timeline, until=np.array([micros], dtype=np.int64))
        rank, furthest = max(int(timeline.stage[0]), 0), max(int(timeline.furthest[0]), 0)
        since = at if timeline.since[0] == UNKNOWN_PAST else to_datetime(timeline.since[0])
    prior = Prior(np.array([rank], dtype=np.int16), np.array([furthest], dtype=np.int16))
    verdicts = judge(compiled, facts, np.array([micros], dtype=np.int64), prior)
    if not recorded and int(verdicts.stage[0]) != rank:
        # Facts that the drain has not seen yet: say what is true, not what is stored.
        rank, since = int(verdicts.stage[0]), at
        furthest = max(furthest, rank)
    profile = profile_values(contact_id, assessor, until=at)
    return _Case(contact, at, compiled, facts, verdicts, rank, furthest, since, profile, load_kinds())


def _compiled_at(micros: int) -> Compiled:
    return next(reign.compiled for reign in reversed(reigns()) if reign.since <= micros)


def _chain(contact_id: int, at: datetime) -> "list[Transition]":
    rows = Transition.objects.filter(contact_id=contact_id, superseded_at=None, effective_at__lte=at)
    return list(rows.order_by("effective_at"))


def _event_kinds(event_ids: list[int]) -> Mapping[int, str]:
    return dict(Event.objects.filter(pk__in=event_ids).values_list("pk", "kind__name"))


def _stage_criteria(case: _Case, rank: int) -> dict[str, Any]:
    stage = case.document.stages[rank]
    enter, keep = case.compiled.enter[rank], case.compiled.keep[rank]
    return {
        "stage": stage.key,
        "label": stage.label,
        "entered": bool(case.verdicts.enter[0, rank]),
        "kept": bool(case.verdicts.keep[0, rank]),
        "enter": _node(case, enter) if enter else None,
        "keep": _node(case, keep) if keep else None,
    }


def _node(case: _Case, node: Node) -> dict[str, Any]:
    """A criteria node with its tick or cross and what was found, children below."""
    return {
        "text": describe(node.criterion, case.document),
        "met": bool(node_truth(node, case.verdicts.truths)[0]),
        "found": _found(case, node) if node.leaf >= 0 else "",
        "children": [_node(case, child) for child in node.children] if node.criterion.not_ is None else [],
    }


def _found(case: _Case, node: Node) -> str:
    """What was found where a leaf looked: ``38.3``, ``2, last on 3 Nov``, ``unknown``."""
    criterion = node.criterion
    if criterion.engagement is not None:
        return points(int(case.verdicts.engagement[0]))
    if criterion.fit is not None:
        return points(int(case.verdicts.fit[0]))
    if criterion.score is not None:
        return points(int(case.verdicts.engagement[0] + case.verdicts.fit[0]))
    if criterion.count is not None:
        number, last = int(case.verdicts.counted[node.leaf][0]), int(case.verdicts.last_counted[node.leaf][0])
        return f"{number}, last on {day(to_datetime(last), seen_from=case.at)}" if number else "none"
    if criterion.gate is not None:
        gate = next(gate for gate in case.document.gates if gate.key == criterion.gate)
        return str(case.profile.get(gate.attribute) or "unknown")
    if criterion.attribute is not None:
        value = case.profile.get(criterion.attribute.name)
        return "unknown" if value is None or value == "" else str(value)
    if criterion.origin is not None:
        return str(case.profile.get("source_direction") or "unknown")
    return ""


def _open_questions(case: _Case) -> list[dict[str, str]]:
    """Gates whose answer is not known: questions for the rep."""
    return [
        {"gate": gate.key, "question": gate.question}
        for gate in case.document.gates
        if case.profile.get(gate.attribute) in (None, "", "unknown")
    ] + [
        {"gate": qualifier.key, "question": qualifier.question}
        for qualifier in case.document.qualifiers
        if case.profile.get(qualifier.test.name) in (None, "", "unknown")
    ]


def _flag(case: _Case) -> str | None:
    """What a contact of its stage is expected to meet and does not."""
    node = case.compiled.flag_unless[case.rank]
    if node is None or bool(node_truth(node, case.verdicts.truths)[0]):
        return None
    return f"Expected: {', '.join(_unmet(case, node))}."


def _sentence(case: _Case) -> str:
    stage = case.document.stages[case.rank]
    start = f"{stage.label} since {day(case.since, seen_from=case.at)}"
    if case.rank == 0:
        return f"{start}: {_floor_reason(case)}."
    entered = bool(case.verdicts.enter[0, case.rank])
    tree = (
        case.compiled.enter[case.rank] if entered else case.compiled.keep[case.rank] or case.compiled.enter[case.rank]
    )
    reasons = list(dict.fromkeys(filter(None, _reasons(case, tree)))) if tree else []
    return f"{start}: {'' if entered else 'kept because it '}{_joined(case, reasons, entered)}."


def _joined(case: _Case, reasons: list[str], entered: bool) -> str:
    if reasons:
        return ", ".join(reasons)
    return "meets the criteria" if entered else "met the criteria then"


def _floor_reason(case: _Case) -> str:
    if case.compiled.stage_count == 1:
        return "everyone's stage"
    known = np.flatnonzero(case.facts.event_code < FIRST_PROPERTY_CODE)
    if not len(known):
        return "it has done nothing yet"
    # Of one instant's events the greatest kind id, so that the order of arrival does not show.
    latest = max((int(case.facts.event_at[row]), int(case.facts.event_code[row])) for row in known)
    stronger = case.document.stages[1].label.lower()
    return f"what is known of it, last that it {kind_phrase(case.kind_name(latest[1]))}, does not make a {stronger}"


def _reasons(case: _Case, node: Node) -> list[str]:
    """Why a met criterion is met, most telling first; gates and reachability are silent."""
    criterion = node.criterion
    if criterion.all is not None:
        return [reason for child in node.children for reason in _reasons(case, child)]
    if criterion.any is not None:
        for child in node.children:
            if bool(node_truth(child, case.verdicts.truths)[0]):
                return _reasons(case, child)
        return []
    if criterion.engagement is not None:
        return [f"engagement {points(int(case.verdicts.engagement[0]))} of {criterion.engagement.at_least:g} needed"]
    if criterion.fit is not None and criterion.fit.at_least > 0:
        return [f"fit {points(int(case.verdicts.fit[0]))} of {criterion.fit.at_least:g} needed"]
    if criterion.score is not None:
        together = int(case.verdicts.engagement[0] + case.verdicts.fit[0])
        return [f"fit and engagement {points(together)} of {criterion.score.at_least:g} needed"]
    if criterion.count is not None:
        last = int(case.verdicts.last_counted[node.leaf][0])
        number = int(case.verdicts.counted[node.leaf][0])
        kind = _kind_behind(case, node.leaf, last)
        return [reason_of_count(criterion.count, kind=kind, number=number, last=last, seen_from=case.at)]
    return []


def _kind_behind(case: _Case, leaf: int, last: int) -> str:
    """Kind of the latest event that a count leaf counted."""
    count = case.compiled.leaves[leaf].count
    if count is None:
        return ""
    rows = np.flatnonzero(count.of[case.facts.event_code] & (case.facts.event_at == last))
    if not len(rows):
        return ""
    # A property match has a row of its own; the event's other row carries its kind.
    behind = np.isin(case.facts.event_id, case.facts.event_id[rows]) & (case.facts.event_code < FIRST_PROPERTY_CODE)
    return case.kind_name(int(case.facts.event_code[behind].max()))


def _next_stage(case: _Case) -> dict[str, Any] | None:
    """The next stronger stage with what is missing for it; None at the strongest."""
    rank = case.rank + 1
    if rank >= case.compiled.stage_count:
        return None
    enter = case.compiled.enter[rank]
    stage = case.document.stages[rank]
    return {
        "key": stage.key,
        "label": stage.label,
        "unmet": _unmet(case, enter) if enter else [],
        "smallest_step": _smallest_step(case, rank),
    }


def _smallest_step(case: _Case, target: int) -> dict[str, Any] | None:
    """The least that would bring the contact to the stage now; None when no short step does."""
    prior = Prior(np.array([case.rank], dtype=np.int16), np.array([case.furthest], dtype=np.int16))
    step = smallest_step(
        case.compiled, case.facts, case.profile, case.kinds, at=to_micros(case.at), prior=prior, target=target
    )
    if not step:
        return None
    times = Counter(case.kind_name(move.kind_id) for move in step if move.kind_id)
    attributes = {move.name: move.value for move in step if move.name}
    return {
        "sentence": step_sentence(times, attributes),
        "events": [{"kind": kind, "times": number} for kind, number in times.items()],
        "attributes": attributes,
    }


def _unmet(case: _Case, node: Node) -> list[str]:
    """What is missing: of ``all`` every unmet part, of ``any`` the alternatives in one line."""
    if bool(node_truth(node, case.verdicts.truths)[0]):
        return []
    criterion: Criterion = node.criterion
    if criterion.all is not None:
        return [text for child in node.children for text in _unmet(case, child)]
    if criterion.any is not None:
        return [" or ".join(" and ".join(_unmet(case, child)) for child in node.children)]
    return [describe(criterion, case.document)]


def _next_change(case: _Case) -> dict[str, Any] | None:
    """When the stage changes if nothing happens, and to what; None when it does not within HORIZON."""
    timeline = Timeline.start(1)
    timeline.stage[0], timeline.furthest[0] = case.rank, case.furthest
    timeline.evaluated_at[0] = to_micros(case.at)
    timeline.review_at[0] = case.verdicts.review_at[0]
    changes: list[Change] = next_change(case.compiled, case.facts, timeline, horizon=HORIZON)
    if not changes:
        return None
    stage = case.document.stages[changes[0].to_rank]
    return {"at": to_datetime(changes[0].at).isoformat(), "stage": stage.key, "label": stage.label}
