"""Proving the consequences, and all invariants together: what ``manage.py verify`` runs. Reads only."""

from collections.abc import Iterator
from datetime import datetime

from contacts.models import Contact
from contacts.services.consent_verification import verify_consent
from contacts.services.merge_verification import verify_merges
from contacts.services.verification import Violation, verify_messages, verify_queue
from funnel.services.counting import verify_rollups
from funnel.services.handoff_verification import verify_handoffs
from funnel.services.hooks.verification import verify_hooks
from funnel.services.notices.keeping import verify_notices
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
    yield from verify_rollups(contact_ids=chosen, now=now)
    yield from verify_hooks(now=now)
    yield from verify_notices(now=now)


def _draw(number: int) -> list[int]:
    return list(Contact.objects.filter(present=True).order_by("?").values_list("pk", flat=True)[:number])
