"""Proving the judgement: what is stored is what a replay of the facts gives, in unbroken chains. Reads only."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Final

import numpy as np
from django.db import connection, transaction

from contacts.models import Contact, Due, Standing
from contacts.services.verification import EVERYBODY, Among, Violation
from scoring.engine import NEVER, UNKNOWN_PAST, Assessor, Compiled, Facts, take_apart
from scoring.engine.facts import IntArray
from scoring.models import Transition
from scoring.moments import to_datetime, to_micros
from scoring.selectors import load_facts, reigns
from scoring.services.chain import NewTransition, name_cause_events, recorded_identity
from scoring.services.folding import Folded, fold_contacts

# Contacts of one snapshot: large enough for arrays to pay, small enough to hold a snapshot for a moment only.
CHUNK: Final = 5_000


def verify_judgements(among: Among = EVERYBODY, *, now: datetime) -> Iterator[Violation]:
    """Invariant 3: each stored standing and transition is what its facts give.

    Contacts with facts waiting for judgement are left out (invariant 2 is about them), and so are those merged away.
    Each chunk is read in a snapshot of its own, so that judging may go on meanwhile.
    """
    for ids in _chunks(among):
        with _snapshot():
            yield from _verify_chunk(ids, now)


def _chunks(among: Among) -> Iterator[list[int]]:
    if among.ids is not None:
        chosen = sorted(among.ids)
        for start in range(0, len(chosen), CHUNK):
            yield chosen[start : start + CHUNK]
        return
    rows = Contact.objects.order_by("pk").values_list("pk", flat=True)
    if among.last is not None:
        rows = rows.filter(pk__lte=among.last)
    last = (among.first or 1) - 1
    while ids := list(rows.filter(pk__gt=last)[:CHUNK]):
        yield ids
        last = ids[-1]


@contextmanager
def _snapshot() -> Iterator[None]:
    """See one state of the database throughout; within a transaction of the caller, what that sees."""
    outermost = not connection.in_atomic_block
    with transaction.atomic():
        if outermost:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def _verify_chunk(candidates: list[int], now: datetime) -> list[Violation]:
    waiting = set(Due.objects.filter(contact_id__in=candidates).values_list("contact_id", flat=True))
    present = Contact.objects.filter(pk__in=candidates, present=True).order_by("pk").values_list("pk", flat=True)
    ids = np.array([pk for pk in present if pk not in waiting], dtype=np.int64)
    if not len(ids):
        return []
    known = {row.contact_id: row for row in Standing.objects.filter(contact_id__in=ids.tolist())}
    horizons = np.full(len(ids), to_micros(now), dtype=np.int64)
    for index, contact_id in enumerate(ids.tolist()):
        if contact_id in known:
            horizons[index] = to_micros(known[contact_id].evaluated_at)
    until = max(now, to_datetime(horizons.max()))
    folded = fold_contacts(ids, until=until, horizons=horizons)
    violations: list[Violation] = []
    for index, contact_id in enumerate(ids.tolist()):
        standing = known.get(contact_id)
        if standing is None:
            if folded.timeline.evaluated_at[index] > UNKNOWN_PAST:
                violations.append(Violation(3, "has facts and was never judged", contact_id))
            continue
        violations += [Violation(3, difference, contact_id) for difference in _differences(standing, folded, index)]
    violations += _chain_differences(folded)
    violations += _ledger_differences(ids, known, until)
    return sorted(violations, key=lambda violation: violation.contact_id or 0)


def _differences(standing: Standing, folded: Folded, index: int) -> Iterator[str]:
    """What the stored standing says otherwise than the replay."""
    timeline = folded.timeline
    latest, evaluated = int(folded.latest_fact[index]), int(timeline.evaluated_at[index])
    if latest > to_micros(standing.evaluated_at):
        yield f"a fact of {to_datetime(latest).isoformat()} was never judged"
    if evaluated == UNKNOWN_PAST:
        yield "is judged without any fact"
        return
    review = int(timeline.review_at[index])
    pairs: tuple[tuple[str, object, object], ...] = (
        ("stage", standing.stage, folded.stage[index]),
        ("furthest stage", standing.furthest_stage, folded.furthest[index]),
        ("stage since", standing.stage_since, to_datetime(timeline.since[index])),
        ("engagement (millipoints)", standing.engagement_mp, int(timeline.engagement[index])),
        ("fit (millipoints)", standing.fit_mp, int(timeline.fit[index])),
        ("evaluated at", standing.evaluated_at, to_datetime(evaluated)),
        ("next review", standing.review_at, None if review == NEVER else to_datetime(review)),
    )
    for name, stored, replayed in pairs:
        if stored != replayed:
            yield f"{name} is stored as {_said(stored)}, a replay gives {_said(replayed)}"


def _said(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return "none" if value is None else str(value)


def _chain_differences(folded: Folded) -> Iterator[Violation]:
    """Transitions in force that a replay does not give, and the other way round."""
    name_cause_events(folded.transitions)
    replayed: dict[int, dict[tuple[object, ...], NewTransition]] = defaultdict(dict)
    for new in folded.transitions:
        replayed[new.contact_id][new.identity()] = new
    rows = Transition.objects.filter(contact_id__in=folded.contact_ids.tolist(), superseded_at=None)
    for row in rows.order_by("contact_id", "effective_at"):
        if replayed[row.contact_id].pop(recorded_identity(row), None) is None:
            change = _change(row.from_stage, row.to_stage, row.effective_at, row.cause, row.cause_event_id)
            yield Violation(3, f"transition {row.pk}, {change}, is recorded, a replay does not give it", row.contact_id)
    for contact_id, missing in replayed.items():
        for new in missing.values():
            change = _change(new.from_stage, new.to_stage, new.effective_at, new.cause, new.cause_event_id)
            yield Violation(3, f"transition {change}, is not recorded, a replay gives it", contact_id)


def _change(origin: str, target: str, at: datetime, cause: str, event_id: int | None) -> str:
    by = f"{cause} {event_id}" if event_id else str(cause)
    return f"{origin or 'new'} -> {target} at {at.isoformat()} by {by}"


def _ledger_differences(ids: IntArray, known: dict[int, Standing], until: datetime) -> Iterator[Violation]:
    """Ledgers whose lines do not add up to the stored score."""
    for reign in reigns():
        begin, end = reign.since, NEVER if reign.until is None else reign.until
        judged = [pk for pk in ids.tolist() if pk in known and begin <= to_micros(known[pk].evaluated_at) < end]
        if not judged:
            continue
        chosen = np.array(judged, dtype=np.int64)
        facts = load_facts(chosen, reign.compiled, Assessor(reign.compiled.document), until=until)
        for contact_id, own in zip(judged, _facts_of_each(facts), strict=True):
            standing = known[contact_id]
            total = _ledger_total(reign.compiled, own, to_micros(standing.evaluated_at))
            if total != standing.engagement_mp:
                message = f"the ledger adds up to {total} millipoints, the stored score is {standing.engagement_mp}"
                yield Violation(3, message, contact_id)


def _ledger_total(compiled: Compiled, facts: Facts, at: int) -> int:
    ledger = take_apart(compiled, facts, at)
    return sum(line.millipoints for line in ledger.lines)


def _facts_of_each(facts: Facts) -> Iterator[Facts]:
    """The events of each contact by itself, numbered; profiles do not matter to a ledger."""
    order = np.argsort(facts.event_contact, kind="stable")
    contact = facts.event_contact[order]
    starts = np.searchsorted(contact, np.arange(facts.contacts + 1))
    when, code = facts.event_at[order], facts.event_code[order]
    value = facts.event_value[order] if len(facts.event_value) else facts.event_value
    number, nobody = np.arange(len(order)), np.zeros(len(order), dtype=np.int64)
    for index in range(facts.contacts):
        own = slice(starts[index], starts[index + 1])
        yield replace(
            facts,
            contacts=1,
            event_contact=nobody[own],
            event_at=when[own],
            event_code=code[own],
            event_id=number[own],
            event_value=value[own],
            ordered=False,
        )


# The chain in event time: each transition with the stage that the one before it led to.
_BROKEN_CHAINS: Final = """
WITH chain AS (
    SELECT id, contact_id, from_stage, to_stage, effective_at, cause, cause_event_id,
           coalesce(lag(to_stage) OVER own, '') AS stood, lead(id) OVER own IS NULL AS is_last
    FROM scoring_transition
    WHERE superseded_at IS NULL AND {transitions}
    WINDOW own AS (PARTITION BY contact_id ORDER BY effective_at)
), checked AS (
    SELECT chain.*, standing.stage, standing.stage_since,
           chain.from_stage <> chain.stood AS is_broken,
           chain.cause = '' OR (chain.cause = 'event' AND event.id IS NULL) AS is_uncaused,
           chain.is_last AND (standing.stage, standing.stage_since)
               IS DISTINCT FROM (chain.to_stage, chain.effective_at) AS leads_elsewhere
    FROM chain
    JOIN contacts_contact AS contact ON contact.id = chain.contact_id AND contact.present
    LEFT JOIN contacts_standing AS standing ON standing.contact_id = chain.contact_id
    LEFT JOIN contacts_event AS event ON event.id = chain.cause_event_id
        AND event.contact_id = chain.contact_id AND event.occurred_at = chain.effective_at
)
SELECT contact_id, id, from_stage, to_stage, stood, stage, is_broken, is_uncaused, leads_elsewhere
FROM checked WHERE is_broken OR is_uncaused OR leads_elsewhere
ORDER BY contact_id, effective_at
"""

_UNEXPLAINED: Final = """
SELECT standing.contact_id, standing.stage FROM contacts_standing AS standing
WHERE {standings}
  AND NOT EXISTS (SELECT FROM scoring_transition AS transition
                  WHERE transition.contact_id = standing.contact_id AND transition.superseded_at IS NULL)
ORDER BY standing.contact_id
"""


def verify_chains(among: Among = EVERYBODY) -> Iterator[Violation]:
    """Invariant 4: transitions follow on one another, each has a cause, and the last leads to the standing."""
    chosen = {"transitions": among.where("contact_id"), "standings": among.where("standing.contact_id")}
    with _snapshot(), connection.cursor() as cursor:
        cursor.execute(_BROKEN_CHAINS.format(**chosen), among.given)
        faulty = cursor.fetchall()
        cursor.execute(_UNEXPLAINED.format(**chosen), among.given)
        unexplained = cursor.fetchall()
    for contact_id, pk, origin, target, stood, stage, is_broken, is_uncaused, leads_elsewhere in faulty:
        subject = f"transition {pk}, {origin or 'new'} -> {target},"
        if is_broken:
            yield Violation(4, f"{subject} does not follow on the one before it ({stood or 'new'})", contact_id)
        if is_uncaused:
            yield Violation(4, f"{subject} names no cause that happened then", contact_id)
        if leads_elsewhere:
            yield Violation(4, f"{subject} is the last, but the contact stands at {stage or 'nothing'}", contact_id)
    for contact_id, stage in unexplained:
        yield Violation(4, f"stands at {stage} and no transition led there", contact_id)
