"""Rebuilding: recompute whole timelines from the facts."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice

from django.db import connection, transaction

from contacts.models import Contact, Due
from scoring.services.folding import judge_contacts
from scoring.services.holding import judge_under_current_publications

_LOCK = "SELECT id FROM contacts_contact WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE"
_BEGINNING = datetime.fromisoformat("0001-01-02T00:00:00+00:00")


def rebuild_contacts(*, contact_ids: Iterable[int] | None = None, now: datetime, chunk: int = 5_000) -> int:
    """Recompute the timelines of the given contacts (None: of all) from their first moment, in chunks.

    Standings are overwritten and recorded transitions that turn out different superseded; what is already
    right stays untouched. Each chunk is a transaction of its own. Returns the number of contacts.
    """
    if contact_ids is None:
        contact_ids = Contact.objects.order_by("id").values_list("id", flat=True).iterator(chunk_size=50_000)
    total = 0
    for ids in _chunks(contact_ids, chunk):
        with transaction.atomic():
            judge_under_current_publications()
            with connection.cursor() as cursor:
                cursor.execute(_LOCK, [ids])
            due = list(Due.objects.filter(contact_id__in=ids).values_list("id", flat=True))
            judge_contacts(ids, earliest=dict.fromkeys(ids, _BEGINNING), now=now)
            Due.objects.filter(pk__in=due).delete()
        total += len(ids)
    return total


def _chunks(items: Iterable[int], size: int) -> Iterator[list[int]]:
    iterator = iter(items)
    while chunk := sorted(islice(iterator, size)):
        yield chunk
