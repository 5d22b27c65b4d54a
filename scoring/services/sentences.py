"""Why contacts stand where they stand, in one sentence each: for one page or for a whole list."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from django.utils.translation import gettext

from config.web.formats import format_decimal, format_number
from contacts.models import Contact
from contacts.selectors.pins import PINNED, UNPINNED
from scoring.engine import Compiled
from scoring.engine.coding import FIRST_PROPERTY_CODE
from scoring.engine.compiled import Node
from scoring.engine.judging import node_truth
from scoring.moments import to_datetime
from scoring.services.case import Case, Cases, open_judged, open_recorded, open_replayed
from scoring.services.snapshots import one_state
from scoring.wording import (
    amount,
    answer_word,
    both,
    day,
    describe,
    either,
    in_sentence,
    kind_phrase,
    points,
    reason_of_count,
)


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
    """Why the contact stands at its stage, such as ``Lead since 3 Nov: subscribed to the newsletter on 3 Nov``.

    In the reader's language; what is stored or sent is made where none is chosen, so it is English.
    """
    if not case.known:
        said = gettext("Not known yet on %(day)s: nothing had happened and nobody had named it.")
        return said % {"day": day(case.at, seen_from=case.at)}
    parts = {"stage": case.document.stages[case.rank].label, "reason": reason_of(case)}
    if case.since:
        parts["day"] = day(case.since, seen_from=case.at)
        return gettext("%(stage)s since %(day)s: %(reason)s.") % parts
    return gettext("%(stage)s: %(reason)s.") % parts


def reason_of(case: Case) -> str:
    """The sentence's second half: ``subscribed to the newsletter on 3 Nov``."""
    if case.rank == 0:
        return _floor_reason(case)
    tree = case.compiled.enter[case.rank]
    if not case.entered:
        tree = case.compiled.keep[case.rank] or tree
    reasons = ", ".join(dict.fromkeys(filter(None, _reasons(case, tree)))) if tree else ""
    if case.entered:
        return reasons or gettext("meets the criteria")
    return gettext("kept because it %(reasons)s") % {"reasons": reasons or gettext("met the criteria then")}


def unmet_parts(case: Case, node: Node) -> list[str]:
    """What is missing: of ``all`` every unmet part, of ``any`` the alternatives in one line."""
    if is_met(case, node):
        return []
    criterion = node.criterion
    if criterion.all is not None:
        return [text for child in node.children for text in unmet_parts(case, child)]
    if criterion.any is not None:
        return [either([both(unmet_parts(case, child)) for child in node.children])]
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
        if reached and not is_met(case, node):
            return gettext("%(points)s, less since it was returned") % {"points": points(total)}
        return points(total)
    if criterion.likelihood is not None:
        return gettext("unknown") if verdicts.likelihood is None else likelihood(float(verdicts.likelihood[index]))
    if criterion.count is not None:
        number = int(verdicts.counted[node.leaf][index])
        last = int(verdicts.last_counted[node.leaf][index])
        if not number:
            return gettext("none")
        when = day(to_datetime(last), seen_from=case.at)
        return gettext("%(number)s, last on %(day)s") % {"number": format_number(number), "day": when}
    if criterion.gate is not None:
        gate = next(gate for gate in case.document.gates if gate.key == criterion.gate)
        return answer_words(case.profile.get(gate.attribute))
    if criterion.attribute is not None:
        return answer_words(case.profile.get(criterion.attribute.name))
    if criterion.origin is not None:
        return answer_words(case.profile.get("source_direction"))
    return ""


def answer_words(value: object) -> str:
    """A value of the profile as people read it; what is not known says so."""
    if value is None or value == "":
        return gettext("unknown")
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    return answer_word(str(value))


def likelihood(value: float) -> str:
    """A likelihood as people read it: ``0.42``."""
    return format_decimal(value, 2)


def _floor_reason(case: Case) -> str:
    if case.compiled.stage_count == 1:
        return gettext("everyone's stage")
    codes = case.facts.event_code
    # What people of ours said of it is nothing that is known of what it did.
    pins = [kind.id for kind in case.cases.kinds if kind.name in (PINNED, UNPINNED)]
    known = np.flatnonzero((codes < FIRST_PROPERTY_CODE) & ~np.isin(codes, pins))
    if not len(known):
        return gettext("it has done nothing yet")
    # Of one instant's events the greatest kind id, so that the order of arrival does not show.
    latest = max((int(case.facts.event_at[row]), int(case.facts.event_code[row])) for row in known)
    return gettext("what is known of it, last that it %(deed)s, does not make a %(stage)s") % {
        "deed": kind_phrase(case.kind_name(latest[1])),
        "stage": in_sentence(case.document.stages[1].label),
    }


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
        parts = {"found": points(int(verdicts.engagement[index])), "needed": amount(criterion.engagement.at_least)}
        return [gettext("engagement %(found)s of %(needed)s needed") % parts]
    if criterion.fit is not None and criterion.fit.at_least > 0:
        parts = {"found": points(int(verdicts.fit[index])), "needed": amount(criterion.fit.at_least)}
        return [gettext("fit %(found)s of %(needed)s needed") % parts]
    if criterion.score is not None:
        together = points(int(verdicts.engagement[index] + verdicts.fit[index]))
        parts = {"found": together, "needed": amount(criterion.score.at_least)}
        return [gettext("fit and engagement %(found)s of %(needed)s needed") % parts]
    if criterion.likelihood is not None and verdicts.likelihood is not None:
        found = likelihood(float(verdicts.likelihood[index]))
        parts = {"found": found, "needed": amount(criterion.likelihood.at_least)}
        return [gettext("likelihood of buying %(found)s of %(needed)s needed") % parts]
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
