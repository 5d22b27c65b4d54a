"""Proving the consequences, and all invariants together: what ``manage.py verify`` runs. Reads only."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection

from contacts.models import Contact
from contacts.services.consent_verification import verify_consent
from contacts.services.merge_verification import verify_merges
from contacts.services.verification import PATIENCE, Violation, verify_messages, verify_queue
from funnel.enums import OPEN_STATES
from funnel.moves import CLAIM
from funnel.selectors.stages import handoff_stages
from funnel.services.hooks.verification import verify_hooks
from scoring.models import Publication
from scoring.services.verification import verify_chains, verify_judgements


def verify_invariants(*, now: datetime, sample: int | None = None) -> Iterator[Violation]:
    """Check the invariants of API.md one after the other; yields what does not hold as it is found.

    ``sample`` replays so many contacts, drawn at random, instead of all; what costs little is checked in full.
    """
    chosen = None if sample is None else _draw(sample)
    yield from verify_messages()
    yield from verify_queue(now=now)
    yield from verify_judgements(contact_ids=chosen, now=now)
    yield from verify_chains(contact_ids=chosen)
    yield from verify_handoffs(now=now)
    yield from verify_merges(others=["funnel_handoff"])
    yield from verify_consent()
    yield from verify_hooks(now=now)


def _draw(number: int) -> list[int]:
    return list(Contact.objects.filter(present=True).order_by("?").values_list("pk", flat=True)[:number])


_SEVERAL_OPEN: Final = """
SELECT contact_id, array_agg(id ORDER BY id) FROM funnel_handoff
WHERE state = ANY(%s) GROUP BY contact_id HAVING count(*) > 1 ORDER BY contact_id
"""

# A claim and the fact that it left behind name each other; the fact's author is the winner. Of erased people no fact is
# left.
_CLAIMS: Final = """
WITH fact AS (
    SELECT event.id, event.contact_id, event.properties ->> 'handoff' AS handoff, event.recorded_by_id
    FROM contacts_event AS event JOIN contacts_kind AS kind ON kind.id = event.kind_id
    WHERE kind.name = %s
)
SELECT coalesce(handoff.contact_id, min(fact.contact_id)), coalesce(handoff.id::text, fact.handoff),
       handoff.id IS NOT NULL, handoff.claimed_at IS NOT NULL, count(fact.id),
       bool_and(fact.recorded_by_id IS NOT DISTINCT FROM handoff.claimed_by_id)
FROM (
    SELECT held.* FROM funnel_handoff AS held
    JOIN contacts_contact AS contact ON contact.id = held.contact_id AND contact.erased_at IS NULL
) AS handoff FULL JOIN fact ON fact.handoff = handoff.id::text
WHERE fact.id IS NOT NULL OR handoff.claimed_at IS NOT NULL
GROUP BY handoff.id, handoff.contact_id, handoff.claimed_at, handoff.claimed_by_id, fact.handoff
HAVING handoff.id IS NULL OR handoff.claimed_at IS NULL OR count(fact.id) <> 1
    OR NOT bool_and(fact.recorded_by_id IS NOT DISTINCT FROM handoff.claimed_by_id)
ORDER BY 1, 2
"""

# Whoever waits for judgement (a return that is not judged yet, say) is left to invariant 2.
_UNOFFERED: Final = """
SELECT standing.contact_id, standing.stage, latest.recorded_at
FROM contacts_standing AS standing
JOIN contacts_contact AS contact ON contact.id = standing.contact_id AND contact.present
LEFT JOIN LATERAL (
    SELECT recorded_at FROM scoring_transition
    WHERE contact_id = standing.contact_id AND superseded_at IS NULL ORDER BY effective_at DESC LIMIT 1
) AS latest ON true
WHERE standing.stage = ANY(%(stages)s) AND coalesce(latest.recorded_at, '-infinity') < %(before)s
  AND NOT EXISTS (SELECT FROM funnel_handoff WHERE contact_id = standing.contact_id AND state = ANY(%(open)s))
  AND NOT EXISTS (SELECT FROM funnel_handoff WHERE contact_id = standing.contact_id AND closed_at >= %(before)s)
  AND NOT EXISTS (SELECT FROM contacts_due WHERE contact_id = standing.contact_id)
ORDER BY standing.contact_id
"""


def verify_handoffs(*, now: datetime, patience: timedelta = PATIENCE) -> Iterator[Violation]:
    """Invariant 5: at most one open handoff a contact, one winner a claim, and nobody ready is left unoffered."""
    open_states = [state.value for state in OPEN_STATES]
    with connection.cursor() as cursor:
        cursor.execute(_SEVERAL_OPEN, [open_states])
        several = cursor.fetchall()
        cursor.execute(_CLAIMS, [CLAIM.fact])
        claims = cursor.fetchall()
    for contact_id, handoffs in several:
        yield Violation(5, f"has {len(handoffs)} open handoffs: {', '.join(map(str, handoffs))}", contact_id)
    for contact_id, handoff, exists, claimed, facts, same_person in claims:
        yield Violation(5, _claim_fault(handoff, exists, claimed, facts, same_person), contact_id)
    if Publication.objects.filter(retracted_at=None, effective_at__gte=now - patience).exists():
        # Which stages are handed over has only just been said.
        return
    given: dict[str, Any] = {"stages": sorted(handoff_stages()), "open": open_states, "before": now - patience}
    with connection.cursor() as cursor:
        cursor.execute(_UNOFFERED, given)
        unoffered = cursor.fetchall()
    for contact_id, stage, since in unoffered:
        told = f" since {since:%Y-%m-%d %H:%M:%S}" if since else ""
        yield Violation(5, f"stands at {stage}{told} without an open handoff", contact_id)


def _claim_fault(handoff: str, exists: bool, claimed: bool, facts: int, same_person: bool) -> str:
    if not exists:
        return f"{facts} claims are recorded of handoff {handoff or '(unnamed)'}, which does not exist"
    if not claimed:
        return f"handoff {handoff} is not claimed, but {facts} claims of it are recorded"
    if facts != 1:
        return f"handoff {handoff} was claimed once, and {facts} claims of it are recorded"
    return f"handoff {handoff} is held by one person, and its claim is recorded of another"
