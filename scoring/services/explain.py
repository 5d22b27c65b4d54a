"""Why a contact stands where it stands, at any moment, and what would change it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db.models.functions import Coalesce
from django.utils.translation import gettext

from contacts.models import Event
from scoring.engine import Assessor, Ledger, LedgerLine, Timeline, take_apart
from scoring.engine.compiled import Node
from scoring.engine.facts import DAY
from scoring.engine.replaying import Change, next_change
from scoring.engine.stepping import events_of, smallest_step
from scoring.models import Definition
from scoring.moments import to_datetime, to_micros
from scoring.selectors import compile_row
from scoring.services.case import Case, open_recorded, open_replayed
from scoring.services.likelihood import explain_likelihood
from scoring.services.sentences import found_at, is_met, stage_sentence, unmet_parts
from scoring.services.snapshots import one_state
from scoring.step_words import step_sentence
from scoring.wording import describe

# How far ahead "when will it fall if nothing happens" looks.
HORIZON = 400 * DAY


# Events with a ledger line of their own, unless all are asked for.
LEDGER_LINES = 200


@one_state()
def explain_contact(
    *, contact_id: int, at: datetime, definition: Definition | None = None, ledger_lines: int | None = LEDGER_LINES
) -> dict[str, Any]:
    """Explain one contact's stage at a moment; computed live, nothing is written.

    Without ``definition`` under the one in force then; with one, from the facts as if it had always been in
    force. ``ledger_lines``: so many events, the weightiest, have a line of their own, the others one for each
    signal (None: every event has its own). The answer is JSON-ready, times ISO 8601, scores in points; see
    docs/explaining.md for its keys.

    Raises:
        Contact.DoesNotExist: when there is no such contact, or it was merged into another.
    """
    if definition is None:
        cases = open_recorded([contact_id], at=at)
    else:
        cases = open_replayed([contact_id], compiled=compile_row(definition), at=at)
    return explain_case(next(iter(cases)), ledger_lines=ledger_lines)


@one_state()
def explain_standings(*, contact_ids: Sequence[int], at: datetime) -> dict[int, dict[str, Any]]:
    """Explain where each of these contacts stands at a moment, under the definition in force then, by its id.

    As ``explain_contact``, without what may become of it (``likelihood``, ``flag``, ``next_stage``, ``next_change``).
    A fixed number of queries; ids of nobody, and of contacts that were merged away, are left out.

    Raises:
        Contact.DoesNotExist: when none of them is left.
    """
    cases = open_recorded(contact_ids, at=at)
    ledgers = [_take_apart(case) for case in cases]
    kinds = _event_kinds([line for ledger in ledgers for line in single_lines(ledger, LEDGER_LINES)])
    return {
        case.contact_id: _standing(case, ledger, kinds, LEDGER_LINES)
        for case, ledger in zip(cases, ledgers, strict=True)
    }


def explain_case(case: Case, *, ledger_lines: int | None = LEDGER_LINES) -> dict[str, Any]:
    """The explanation of an opened case, as ``explain_contact`` gives it."""
    ledger = _take_apart(case)
    kinds = _event_kinds(single_lines(ledger, ledger_lines))
    return {
        **_standing(case, ledger, kinds, ledger_lines),
        "likelihood": explain_likelihood(case),
        "flag": _flag(case),
        "next_stage": _next_stage(case),
        "next_change": _next_change(case),
    }


def _take_apart(case: Case) -> Ledger:
    return take_apart(case.compiled, case.facts, to_micros(case.at))


def _standing(case: Case, ledger: Ledger, kinds: Mapping[int, str], ledger_lines: int | None) -> dict[str, Any]:
    """What of an explanation tells where the contact stands and why."""
    version = case.compiled.version
    stage = case.document.stages[case.rank]
    assessment = Assessor(case.document).assess(list(case.profile.values()))
    return {
        "contact": str(case.contact_id),
        "at": case.at.isoformat(),
        "definition": version,
        "known": case.known,
        "stage": {
            "key": stage.key,
            "label": stage.label,
            "since": case.since.isoformat() if case.since else None,
            "furthest": case.document.stages[case.furthest].key,
        },
        "scores": {
            "engagement": ledger.total / 1000,
            "fit": assessment.fit / 1000,
            "fit_threshold": case.document.fit_threshold,
        },
        "sentence": stage_sentence(case),
        "ledger": ledger_rows(ledger, kinds, version=version, most=ledger_lines),
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
    }


def single_lines(ledger: Ledger, most: int | None) -> list[LedgerLine]:
    """The ledger's lines of events that have a row of their own: the ``most`` that weigh most, in its order."""
    events = [line for line in ledger.lines if line.event_id >= 0]
    if most is None or len(events) <= most:
        return events
    heaviest = sorted(events, key=lambda line: (-abs(line.millipoints), -line.occurred_at, line.event_id))[:most]
    kept = set(map(id, heaviest))
    return [line for line in events if id(line) in kept]


def ledger_rows(ledger: Ledger, kinds: Mapping[int, str], *, version: str, most: int | None) -> list[dict[str, Any]]:
    """The ledger's lines, JSON-ready: at most ``most`` of single events, what further ones weigh summed by signal.

    Newest first, then the sums, then caps and floors; whatever ``most`` is, the points add up to the score. ``kinds``
    names the kind of each single event by the event's id.
    """
    single = single_lines(ledger, most)
    kept = set(map(id, single))
    rows = [_ledger_row(line, version, kinds.get(line.event_id)) for line in single]
    further: dict[str, list[LedgerLine]] = {}
    for line in ledger.lines:
        if line.event_id >= 0 and id(line) not in kept:
            further.setdefault(line.signal, []).append(line)
    rows += [_further_row(lines, version) for lines in further.values()]
    return rows + [_ledger_row(line, version, None) for line in ledger.lines if line.event_id < 0]


def _ledger_row(line: LedgerLine, version: str, kind: str | None) -> dict[str, Any]:
    of_event = line.event_id >= 0
    return {
        "event": str(line.event_id) if of_event else None,
        "events": int(of_event),
        "kind": kind,
        "occurred_at": to_datetime(line.occurred_at).isoformat() if of_event else None,
        "rule": line.signal,
        "label": line.label,
        "definition": version,
        "raw": line.raw / 1000,
        "decay": round(line.decay, 6),
        "points": line.millipoints / 1000,
        "cap": not of_event,
    }


def _further_row(lines: Sequence[LedgerLine], version: str) -> dict[str, Any]:
    """What many events of one signal weigh together; its decay is what age left of all of them."""
    raw, left = sum(line.raw for line in lines), sum(line.millipoints for line in lines)
    return {
        "event": None,
        "events": len(lines),
        "kind": None,
        "occurred_at": None,
        "rule": lines[0].signal,
        "label": lines[0].label,
        "definition": version,
        "raw": raw / 1000,
        "decay": round(left / raw, 6) if raw else 1.0,
        "points": left / 1000,
        "cap": False,
    }


# Of a mapped kind what it means.
_MEANING = Coalesce("kind__maps_to__name", "kind__name")


def _event_kinds(lines: Sequence[LedgerLine]) -> Mapping[int, str]:
    """Which kind of event each line is about, by the event's id."""
    return dict(Event.objects.filter(pk__in=[line.event_id for line in lines]).values_list("pk", _MEANING))


def _stage_criteria(case: Case, rank: int) -> dict[str, Any]:
    stage = case.document.stages[rank]
    enter, keep = case.compiled.enter[rank], case.compiled.keep[rank]
    return {
        "stage": stage.key,
        "label": stage.label,
        "entered": bool(case.verdicts.enter[case.index, rank]),
        "kept": bool(case.verdicts.keep[case.index, rank]),
        "enter": _node(case, enter) if enter else None,
        "keep": _node(case, keep) if keep else None,
    }


def _node(case: Case, node: Node) -> dict[str, Any]:
    """A criteria node with its tick or cross and what was found, children below."""
    return {
        "text": describe(node.criterion, case.document),
        "rule": node.criterion.count.of if node.criterion.count else "",
        "met": is_met(case, node),
        "found": found_at(case, node) if node.leaf >= 0 else "",
        "children": [_node(case, child) for child in node.children] if node.criterion.not_ is None else [],
    }


def _open_questions(case: Case) -> list[dict[str, str]]:
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


def _flag(case: Case) -> str | None:
    """What a contact of its stage is expected to meet and does not."""
    node = case.compiled.flag_unless[case.rank]
    if node is None or not case.known or is_met(case, node):
        return None
    return gettext("Expected: %(criteria)s.") % {"criteria": ", ".join(unmet_parts(case, node))}


def _next_stage(case: Case) -> dict[str, Any] | None:
    """The next stronger stage with what is missing for it; None at the strongest."""
    rank = case.rank + 1
    if rank >= case.compiled.stage_count:
        return None
    enter = case.compiled.enter[rank]
    stage = case.document.stages[rank]
    return {
        "key": stage.key,
        "label": stage.label,
        "unmet": unmet_parts(case, enter) if enter else [],
        "smallest_step": step_towards(case, rank),
    }


def step_towards(case: Case, target: int) -> dict[str, Any] | None:
    """The least that would bring the contact to the stage of rank ``target`` now; None when no short step does.

    ``sentence``, ``events`` (kind, times, the properties they must carry, the source they must come through, "" for
    any) and ``attributes`` (name to value).
    """
    step = smallest_step(
        case.compiled,
        case.facts,
        case.profile,
        case.cases.kinds,
        at=to_micros(case.at),
        prior=case.prior,
        target=target,
    )
    if not step:
        return None
    events = [(case.kind_name(move.kind_id), dict(move.properties), move.source, n) for move, n in events_of(step)]
    attributes = {move.name: move.value for move in step if move.name}
    return {
        "sentence": step_sentence([(kind, carried, number) for kind, carried, _, number in events], attributes),
        "events": [
            {"kind": kind, "times": number, "properties": carried, "source": source}
            for kind, carried, source, number in events
        ],
        "attributes": attributes,
    }


def _next_change(case: Case) -> dict[str, Any] | None:
    """When the stage changes if nothing happens, and to what; None when it does not within HORIZON."""
    if not case.known:
        return None
    timeline = Timeline.start(1)
    timeline.stage[0], timeline.furthest[0] = case.rank, case.furthest
    timeline.evaluated_at[0] = to_micros(case.at)
    timeline.review_at[0] = case.verdicts.review_at[case.index]
    changes: list[Change] = next_change(case.compiled, case.facts, timeline, horizon=HORIZON)
    if not changes:
        return None
    stage = case.document.stages[changes[0].to_rank]
    return {"at": to_datetime(changes[0].at).isoformat(), "stage": stage.key, "label": stage.label}
