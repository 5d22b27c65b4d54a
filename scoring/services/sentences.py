"""Why contacts stand where they stand, in one sentence each: for one page or for a whole list."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from contacts.models import Contact
from scoring.engine import Compiled
from scoring.engine.coding import FIRST_PROPERTY_CODE
from scoring.engine.compiled import Node
from scoring.engine.judging import node_truth
from scoring.moments import to_datetime
from scoring.services.case import Case, Cases, open_judged, open_recorded, open_replayed
from scoring.services.snapshots import one_state
from scoring.wording import day, describe, kind_phrase, points, reason_of_count


@dataclass(frozen=True, slots=True)
class StageReason:
    """A contact's stage under a definition and why, as a sentence."""

    stage_key: str
    label: str
    sentence: str


@one_state()
def stage_reasons(
    *, contact_ids: Sequence[int], compiled: Compiled, at: datetime, prior_stages: Mapping[int, str] | None
) -> dict[int, StageReason]:
    """Each contact's stage and reason at ``at`` under one definition; a fixed number of queries.

    ``prior_stages`` None: as if the definition had always been in force. Given (contact id to stage key): one
    judgement at ``at`` from that stage, as publishing the definition then would make it. Contacts that are gone
    (merged away, erased) are left out.
    """
    try:
        if prior_stages is None:
            return _reasons_of(open_replayed(contact_ids, compiled=compiled, at=at))
        return _reasons_of(open_judged(contact_ids, compiled=compiled, at=at, prior_stages=prior_stages))
    except Contact.DoesNotExist:
        return {}


@one_state()
def recorded_reasons(*, contact_ids: Sequence[int], at: datetime) -> dict[int, StageReason]:
    """Each contact's stage and reason at ``at`` under the definitions in force, as its history has it.

    A fixed number of queries. Contacts that are gone (merged away, erased) are left out.
    """
    try:
        return _reasons_of(open_recorded(contact_ids, at=at))
    except Contact.DoesNotExist:
        return {}


def _reasons_of(cases: Cases) -> dict[int, StageReason]:
    stages = cases.compiled.document.stages
    return {
        case.contact_id: StageReason(stages[case.rank].key, stages[case.rank].label, stage_sentence(case))
        for case in cases
    }


def stage_sentence(case: Case) -> str:
    """Why the contact stands at its stage, such as ``Lead since 3 Nov: subscribed to the newsletter on 3 Nov``."""
    if not case.known:
        return f"Not known yet on {day(case.at, seen_from=case.at)}: nothing had happened and nobody had named it."
    label = case.document.stages[case.rank].label
    start = f"{label} since {day(case.since, seen_from=case.at)}" if case.since else label
    return f"{start}: {reason_of(case)}."


def reason_of(case: Case) -> str:
    """The sentence's second half: ``subscribed to the newsletter on 3 Nov``."""
    if case.rank == 0:
        return _floor_reason(case)
    tree = case.compiled.enter[case.rank]
    if not case.entered:
        tree = case.compiled.keep[case.rank] or tree
    reasons = list(dict.fromkeys(filter(None, _reasons(case, tree)))) if tree else []
    if case.entered:
        return ", ".join(reasons) or "meets the criteria"
    return f"kept because it {', '.join(reasons) or 'met the criteria then'}"


def unmet_parts(case: Case, node: Node) -> list[str]:
    """What is missing: of ``all`` every unmet part, of ``any`` the alternatives in one line."""
    if is_met(case, node):
        return []
    criterion = node.criterion
    if criterion.all is not None:
        return [text for child in node.children for text in unmet_parts(case, child)]
    if criterion.any is not None:
        return [" or ".join(" and ".join(unmet_parts(case, child)) for child in node.children)]
    return [describe(criterion, case.document)]


def is_met(case: Case, node: Node) -> bool:
    """Whether a criteria node holds for the contact."""
    return bool(node_truth(node, case.verdicts.truths)[case.index])


def found_at(case: Case, node: Node) -> str:
    """What was found where a leaf looked: ``38.3``, ``2, last on 3 Nov``, ``unknown``."""
    criterion, verdicts, index = node.criterion, case.verdicts, case.index
    if criterion.fit is not None:
        return points(int(verdicts.fit[index]))
    if criterion.engagement is not None or criterion.score is not None:
        needed = criterion.engagement or criterion.score
        total = int(verdicts.engagement[index]) + (int(verdicts.fit[index]) if criterion.score else 0)
        reached = needed is not None and total >= round(needed.at_least * 1000)
        # For a stage of Sales only what happened after the last return counts; the ledger shows all of it.
        return points(total) + (", less since it was returned" if reached and not is_met(case, node) else "")
    if criterion.likelihood is not None:
        return "unknown" if verdicts.likelihood is None else likelihood(float(verdicts.likelihood[index]))
    if criterion.count is not None:
        number = int(verdicts.counted[node.leaf][index])
        last = int(verdicts.last_counted[node.leaf][index])
        return f"{number}, last on {day(to_datetime(last), seen_from=case.at)}" if number else "none"
    if criterion.gate is not None:
        gate = next(gate for gate in case.document.gates if gate.key == criterion.gate)
        return str(case.profile.get(gate.attribute) or "unknown")
    if criterion.attribute is not None:
        value = case.profile.get(criterion.attribute.name)
        if isinstance(value, bool):
            return "yes" if value else "no"
        return "unknown" if value is None or value == "" else str(value)
    if criterion.origin is not None:
        return str(case.profile.get("source_direction") or "unknown")
    return ""


def likelihood(value: float) -> str:
    """A likelihood as people read it: ``0.42``."""
    return f"{value:.2f}"


def _floor_reason(case: Case) -> str:
    if case.compiled.stage_count == 1:
        return "everyone's stage"
    known = np.flatnonzero(case.facts.event_code < FIRST_PROPERTY_CODE)
    if not len(known):
        return "it has done nothing yet"
    # Of one instant's events the greatest kind id, so that the order of arrival does not show.
    latest = max((int(case.facts.event_at[row]), int(case.facts.event_code[row])) for row in known)
    stronger = case.document.stages[1].label.lower()
    return f"what is known of it, last that it {kind_phrase(case.kind_name(latest[1]))}, does not make a {stronger}"


def _reasons(case: Case, node: Node) -> list[str]:
    """Why a met criterion is met, most telling first; gates and reachability are silent."""
    criterion, verdicts, index = node.criterion, case.verdicts, case.index
    if criterion.all is not None:
        return [reason for child in node.children for reason in _reasons(case, child)]
    if criterion.any is not None:
        for child in node.children:
            if is_met(case, child):
                return _reasons(case, child)
        return []
    if criterion.engagement is not None:
        found = points(int(verdicts.engagement[index]))
        return [f"engagement {found} of {criterion.engagement.at_least:g} needed"]
    if criterion.fit is not None and criterion.fit.at_least > 0:
        return [f"fit {points(int(verdicts.fit[index]))} of {criterion.fit.at_least:g} needed"]
    if criterion.score is not None:
        together = points(int(verdicts.engagement[index] + verdicts.fit[index]))
        return [f"fit and engagement {together} of {criterion.score.at_least:g} needed"]
    if criterion.likelihood is not None and verdicts.likelihood is not None:
        found = likelihood(float(verdicts.likelihood[index]))
        return [f"likelihood of buying {found} of {criterion.likelihood.at_least:g} needed"]
    if criterion.count is not None:
        last = int(verdicts.last_counted[node.leaf][index])
        number = int(verdicts.counted[node.leaf][index])
        kind = kind_behind(case, node.leaf, last)
        return [reason_of_count(criterion.count, kind=kind, number=number, last=last, seen_from=case.at)]
    return []


def kind_behind(case: Case, leaf: int, last: int) -> str:
    """Kind of the latest event that a count leaf counted."""
    count = case.compiled.leaves[leaf].count
    if count is None:
        return ""
    facts = case.facts
    rows = np.flatnonzero(count.of[facts.event_code] & (facts.event_at == last))
    if not len(rows):
        return ""
    # A property match has a row of its own; the event's other row carries its kind.
    behind = np.isin(facts.event_id, facts.event_id[rows]) & (facts.event_code < FIRST_PROPERTY_CODE)
    return case.kind_name(int(facts.event_code[behind].max()))
