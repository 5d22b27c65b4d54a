"""What the consent ledger says: entries as they were made, and the states that they add up to."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from django.db import connection
from django.db.models import QuerySet

from contacts.ingest.consent import Joined, Said, State, consent_state
from contacts.models import ConsentEntry, Purpose

# The merges in force below each contact: into it, into those that became part of it, and so on.
MERGES_BELOW: Final = """
WITH RECURSIVE below (root, winner_id, loser_id, merged_at) AS (
    SELECT m.winner_id, m.winner_id, m.loser_id, m.merged_at
    FROM contacts_merge m WHERE m.winner_id = ANY(%s) AND m.undone_at IS NULL
  UNION
    SELECT b.root, m.winner_id, m.loser_id, m.merged_at
    FROM below b JOIN contacts_merge m ON m.winner_id = b.loser_id AND m.undone_at IS NULL
)
SELECT root, winner_id, loser_id, merged_at FROM below
"""


def merges_below(contact_ids: Sequence[int]) -> Mapping[int, list[Joined]]:
    """Return the merges in force by which others became part of each of these contacts; one query."""
    found: dict[int, list[Joined]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(MERGES_BELOW, [list(contact_ids)])
        for root, winner, loser, at in cursor.fetchall():
            found[root].append(Joined(winner, loser, at))
    return found


def ledger_states(contact_ids: Iterable[int]) -> dict[int, dict[str, State]]:
    """Return what the ledger says of each contact, by purpose; nothing for those of whom it says nothing.

    Two queries, one where it says nothing of anybody. Suppression is another matter: contacts/services/consent.py.
    """
    entries: dict[int, list[Said]] = defaultdict(list)
    rows = ConsentEntry.objects.filter(contact_id__in=list(contact_ids)).values_list(
        "contact_id", "origin_contact_id", "purpose__key", "action", "basis", "at"
    )
    for contact_id, origin, purpose, action, basis, at in rows:
        entries[contact_id].append(Said(origin or contact_id, purpose, action, basis, at))
    merges = merges_below(list(entries)) if entries else {}
    return {contact_id: consent_state(said, merges.get(contact_id, ())) for contact_id, said in entries.items()}


def ledger_of(contact_id: int) -> "QuerySet[ConsentEntry]":
    """Return a contact's entries, latest first, with all that is shown of them."""
    return (
        ConsentEntry.objects.filter(contact_id=contact_id)
        .select_related("purpose", "source", "by")
        .order_by("-at", "-id")
    )


def all_purposes() -> list[Purpose]:
    """Return what people may be written to for, in the order they were made; one query."""
    return list(Purpose.objects.order_by("id"))
