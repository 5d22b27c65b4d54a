"""Rebuilding: recompute whole timelines from the facts."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import Any

from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext

from contacts.models import Contact, Due, Standing
from contacts.services.work import CannotRun, Progress
from scoring.models import Publication, Run
from scoring.services.folding import judge_contacts
from scoring.services.holding import judge_under_current_publications

_LOCK = "SELECT id FROM contacts_contact WHERE id = ANY(%s) AND present ORDER BY id FOR NO KEY UPDATE"
_BEGINNING = datetime.fromisoformat("0001-01-02T00:00:00+00:00")
# Contacts of one transaction of a roll-back: their judgement waits for no longer than it takes.
_CHUNK = 1_000


def rebuild_contacts(*, contact_ids: Iterable[int] | None = None, now: datetime, chunk: int = 5_000) -> int:
    """Recompute the timelines of the given contacts (None: of all) from their first moment, in chunks.

    Those that were merged away have none and are left out.

    Standings are overwritten and recorded transitions that turn out different superseded; what is already
    right stays untouched. Each chunk is a transaction of its own. Returns the number of contacts.
    """
    unfinished: list[int] = []
    if contact_ids is None:
        # Whatever publications and roll-backs have left undone is done once everybody is rebuilt.
        unfinished = list(Publication.objects.filter(judged_at=None).values_list("pk", flat=True))
        present = Contact.objects.filter(present=True).order_by("id")
        contact_ids = present.values_list("id", flat=True).iterator(chunk_size=50_000)
    total = 0
    for asked in _chunks(contact_ids, chunk):
        with transaction.atomic():
            until = judge_under_current_publications(now)
            with connection.cursor() as cursor:
                cursor.execute(_LOCK, [asked])
                ids = [contact_id for (contact_id,) in cursor.fetchall()]
            # What came after the moment that is judged up to is left to the drain.
            due = list(Due.objects.filter(contact_id__in=ids, occurred_at__lte=until).values_list("id", flat=True))
            judge_contacts(ids, earliest=dict.fromkeys(ids, _BEGINNING), now=until)
            Due.objects.filter(pk__in=due).delete()
        total += len(asked)
    Publication.objects.filter(pk__in=unfinished, judged_at=None).update(judged_at=timezone.now())
    return total


def run_roll_back(run: Run, progress: Progress) -> dict[str, Any]:
    """Recompute, as if the run's publication had not happened, every contact that was judged under it.

    These are the ones last judged at its moment or later. A publication that leaves a contact as it was leaves no trace
    in its timeline, so whoever was last judged before it stands where they would stand without it.
    """
    publication = run.publication
    if publication is None or publication.retracted_at is None:
        raise CannotRun(gettext("There is no publication to take back."))
    touched = Standing.objects.filter(evaluated_at__gte=publication.effective_at).order_by("contact_id")
    left = touched.filter(contact_id__gt=run.reached).values_list("contact_id", flat=True)
    # What was rebuilt for good is not among those touched any more, but was counted when it was.
    done = run.done if run.reached else 0
    progress.begin(done + left.count(), done=done)
    rebuilt = done
    for ids in _chunks(left.iterator(chunk_size=50_000), _CHUNK):
        rebuilt += rebuild_contacts(contact_ids=ids, now=timezone.now())
        progress.advance(len(ids), reached=ids[-1])
    Publication.objects.filter(pk=publication.pk).update(judged_at=timezone.now())
    return {"definition": f"{run.definition.key}@{run.definition.version}", "contacts": rebuilt}


def _chunks(items: Iterable[int], size: int) -> Iterator[list[int]]:
    iterator = iter(items)
    while chunk := sorted(islice(iterator, size)):
        yield chunk
