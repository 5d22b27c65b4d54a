"""All that is known of a person, as one JSON document: what they are given when they ask (Article 15 and 20 GDPR).

docs/privacy.md describes the document. It is written in pieces as it is read, in one state of the database.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext

from contacts.models import (
    AttributeChange,
    ConsentEntry,
    Contact,
    ContactTag,
    Event,
    EventCorrection,
    FormSubmission,
    Identity,
    Job,
    Mail,
    Merge,
    Suppression,
)
from contacts.registry import handlers
from contacts.selectors.merges import members_of
from contacts.services.erased_names import keyed_hash
from contacts.services.erasing import person_of
from contacts.services.person_files import KEPT_FOR, write_export_file
from contacts.services.work import CannotRun, Progress

FORMAT: Final = "ripen-person"
VERSION: Final = 1
_COLUMNS: Final = (
    "email", "phone", "first_name", "last_name", "job_title", "role", "country", "means", "authority",
    "details_confirmed", "attributes", "created_at", "updated_at",
)  # fmt: skip

Rows = Iterable[Mapping[str, Any]]


def export_person(job: Job, progress: Progress) -> Mapping[str, Any]:
    """Write the document of the person that the job is about; the result counts its rows and says until when it stays.

    Raises:
        CannotRun: the contact was erased, or became part of another, since.
    """
    progress.begin(1)
    contact = job.contact
    if contact is None or contact.erased_at is not None:
        raise CannotRun(gettext("This person was erased; nothing is left to be exported."))
    if contact.merged_into_id is not None:
        raise CannotRun(gettext("This contact became part of another one since; export that one."))
    now, counts = timezone.now(), dict[str, int]()
    with _one_state():
        write_export_file(job_id=job.pk, pieces=write_person(contact.pk, now=now, counts=counts))
    return {"rows": counts, "until": (now + KEPT_FOR).isoformat()}


def write_person(contact_id: int, *, now: datetime, counts: dict[str, int]) -> Iterator[str]:
    """Write the document in pieces; ``counts`` is filled with the rows of each list."""
    contact_ids = members_of([contact_id])
    contact = Contact.objects.select_related("company").get(pk=contact_id)
    head = {
        "format": FORMAT,
        "version": VERSION,
        "exported_at": now,
        "contact": _contact(contact),
        "contact_ids": [str(member) for member in contact_ids],
    }
    yield "{"
    for name, value in head.items():
        yield f"{_json(name)}: {_json(value)},\n"
    sections: dict[str, Rows] = {name: read(contact_ids) for name, read in _SECTIONS.items()}
    for app in handlers():
        sections |= app.export(contact_ids)
    for place, (name, rows) in enumerate(sections.items()):
        yield f"{',' if place else ''}{_json(name)}: ["
        counts[name] = 0
        for row in rows:
            yield f"{',' if counts[name] else ''}\n  {_json(row)}"
            counts[name] += 1
        yield "]"
    yield "}\n"


def _json(value: Any) -> str:
    return json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False)


def _contact(contact: Contact) -> dict[str, Any]:
    company = contact.company
    return {
        "id": str(contact.pk),
        **{name: getattr(contact, name) for name in _COLUMNS},
        "company": None
        if company is None
        else {name: getattr(company, name) for name in ("id", "name", "domain", "industry", "employees", "country")},
        "source": {
            "channel": contact.source_channel,
            "direction": contact.source_direction,
            "motion": contact.source_motion,
            "campaign": contact.source_campaign,
            "at": contact.source_at,
        },
    }


def _identities(contact_ids: Sequence[int]) -> Rows:
    rows = Identity.objects.filter(contact__in=contact_ids).order_by("id")
    return rows.values("kind", "value", "contact_id", "origin_contact_id", "created_at", "seen_at", "source__name")


def _changes(contact_ids: Sequence[int]) -> Rows:
    rows = AttributeChange.objects.filter(contact__in=contact_ids).order_by("effective_at", "id")
    return rows.values(
        "name", "value", "effective_at", "received_at", "weak", "contact_id", "origin_contact_id", "source__name"
    ).iterator()


def _events(contact_ids: Sequence[int]) -> Rows:
    rows = Event.objects.filter(contact__in=contact_ids).order_by("occurred_at", "id")
    return rows.values(
        "id", "kind__name", "occurred_at", "received_at", "channel", "source__name", "message_id", "properties",
        "suspect_reason", "retracted_at", "contact_id", "origin_contact_id",
    ).iterator()  # fmt: skip


def _corrections(contact_ids: Sequence[int]) -> Rows:
    rows = EventCorrection.objects.filter(event__contact__in=contact_ids).order_by("id")
    return rows.values("event_id", "action", "reason", "corrected_at", "source__name")


def _consent(contact_ids: Sequence[int]) -> Rows:
    rows = ConsentEntry.objects.filter(contact__in=contact_ids).order_by("at", "id")
    return rows.values(
        "purpose__key", "action", "basis", "at", "recorded_at", "proof", "source__name", "contact_id",
        "origin_contact_id",
    )  # fmt: skip


def _suppressions(contact_ids: Sequence[int]) -> Rows:
    """Which of the person's addresses nothing is sent to: found by their hashes, for nothing else is kept."""
    hashes = {keyed_hash("email", address): address for address in person_of(contact_ids).addresses}
    rows = Suppression.objects.filter(address_hash__in=list(hashes)).order_by("id")
    return [{"address": hashes[row.address_hash], "reason": row.reason, "at": row.at} for row in rows]


def _submissions(contact_ids: Sequence[int]) -> Rows:
    rows = FormSubmission.objects.filter(contact__in=contact_ids).order_by("id")
    return rows.values("form__name", "received_at", "consent_version", "confirmed_at")


def _mails(contact_ids: Sequence[int]) -> Rows:
    rows = Mail.objects.filter(contact__in=contact_ids).order_by("id")
    return rows.values("state", "subject", "body", "created_at", "sent_at", "purpose__key")


def _merges(contact_ids: Sequence[int]) -> Rows:
    rows = Merge.objects.filter(winner__in=contact_ids) | Merge.objects.filter(loser__in=contact_ids)
    return rows.order_by("id").values("winner_id", "loser_id", "merged_at", "reason", "undone_at")


def _tags(contact_ids: Sequence[int]) -> Rows:
    rows = ContactTag.objects.filter(contact__in=contact_ids).order_by("id")
    return rows.values("tag__name", "tagged_at", "contact_id", "origin_contact_id")


_SECTIONS: Final[Mapping[str, Callable[[Sequence[int]], Rows]]] = {
    "identities": _identities,
    "attribute_changes": _changes,
    "events": _events,
    "corrections": _corrections,
    "consent": _consent,
    "suppressions": _suppressions,
    "form_submissions": _submissions,
    "mails": _mails,
    "tags": _tags,
    "merges": _merges,
}


@contextmanager
def _one_state() -> Iterator[None]:
    """Read one state of the database throughout; within a transaction of the caller, what that sees."""
    outermost = not connection.in_atomic_block
    with transaction.atomic():
        if outermost:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield
