"""Erasing a person: what is theirs goes, what is counted stays without saying whose it was (docs/adr/0019)."""

import secrets
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from django.db import OperationalError, connection, transaction
from django.db.backends.utils import CursorWrapper
from django.utils import timezone
from django.utils.translation import gettext

from contacts.enums import IdentityKind
from contacts.models import AttributeChange, Contact, ErasedName, Identity, Job
from contacts.registry import Erasing, handlers
from contacts.selectors.merges import members_of
from contacts.services.consent import permit_erasure
from contacts.services.erased_names import keyed_hash
from contacts.services.person_files import remove_export_files
from contacts.services.traces import (
    Person,
    forget_answers_about,
    forget_rejected,
    forget_views,
    forget_warnings,
    remove_files_about,
)
from contacts.services.work import CannotRun, Progress

# Beyond whatever the sequence of ids will reach, and exact in any JSON reader's numbers (RFC 8259, section 6).
_FIRST_HUSK: Final = 2**40
_LAST_HUSK: Final = 2**53 - 1
# Somebody is just doing something with the person's handoff: what they hold is held for moments.
_ROUNDS: Final = 20
_PAUSE: Final = 0.25
_IN_THE_WAY: Final = frozenset({"40P01", "55P03"})  # deadlock_detected, lock_not_available

# Whoever records facts of these contacts at this moment is waited for, and whoever comes later finds them gone.
LOCK: Final = "SELECT id FROM contacts_contact WHERE id = ANY(%s) ORDER BY id FOR UPDATE"

# What goes, dependants first. Each statement takes the ids of the contacts once or more as %(ids)s.
_EVENTS: Final = "SELECT id FROM contacts_event WHERE contact_id = ANY(%(ids)s)"
_MERGES: Final = "SELECT id FROM contacts_merge WHERE winner_id = ANY(%(ids)s) OR loser_id = ANY(%(ids)s)"
DELETIONS: Final[tuple[tuple[str, str], ...]] = (
    (
        "messages",
        """DELETE FROM contacts_message WHERE dedupe_id IN (
            SELECT message FROM contacts_attributechange WHERE contact_id = ANY(%(ids)s)
            UNION SELECT message FROM contacts_consententry WHERE contact_id = ANY(%(ids)s))""",
    ),
    ("corrections", f"DELETE FROM contacts_eventcorrection WHERE event_id IN ({_EVENTS})"),  # noqa: S608  constants
    ("events", "DELETE FROM contacts_event WHERE contact_id = ANY(%(ids)s)"),
    ("attribute_changes", "DELETE FROM contacts_attributechange WHERE contact_id = ANY(%(ids)s)"),
    ("identities", "DELETE FROM contacts_identity WHERE contact_id = ANY(%(ids)s)"),
    ("consent_entries", "DELETE FROM contacts_consententry WHERE contact_id = ANY(%(ids)s)"),
    ("form_submissions", "DELETE FROM contacts_formsubmission WHERE contact_id = ANY(%(ids)s)"),
    ("tags", "DELETE FROM contacts_contacttag WHERE contact_id = ANY(%(ids)s)"),
    ("mails", "DELETE FROM contacts_mail WHERE contact_id = ANY(%(ids)s)"),
    (
        "merge_suggestions",
        "DELETE FROM contacts_mergesuggestion WHERE contact_id = ANY(%(ids)s) OR other_id = ANY(%(ids)s)",
    ),
    ("decided_by_merge", f"UPDATE contacts_mergesuggestion SET merge_id = NULL WHERE merge_id IN ({_MERGES})"),  # noqa: S608
    ("merges", f"DELETE FROM contacts_merge WHERE id IN ({_MERGES})"),  # noqa: S608  constants
    ("due", "DELETE FROM contacts_due WHERE contact_id = ANY(%(ids)s)"),
    ("contacts", "DELETE FROM contacts_contact WHERE id = ANY(%(ids)s)"),
)
_TOLD: Final = ("events", "attribute_changes", "identities", "consent_entries", "mails", "merges", "contacts")


def erase_person(job: Job, progress: Progress) -> Mapping[str, Any]:
    """Erase the person that the job is about, in one transaction: a kill in the middle leaves all or nothing.

    Files go first, for only the rows tell which: a job that was killed in between is begun again.

    Raises:
        CannotRun: the contact became part of another since, or is gone.
    """
    progress.begin(1)
    if job.contact is None:
        raise CannotRun(gettext("There is nobody to erase."))
    if job.contact.erased_at is not None:
        # A worker was killed after all was done and before it could say so.
        return dict(job.result or {})
    for _ in range(_ROUNDS):
        try:
            return _erase(job, now=timezone.now())
        except OperationalError as error:
            if getattr(error.__cause__, "pgcode", "") not in _IN_THE_WAY:
                raise
            time.sleep(_PAUSE)
    raise CannotRun(gettext("Others kept working on this contact; order the erasure again."))


def _erase(job: Job, *, now: datetime) -> dict[str, Any]:
    contact_id = job.contact_id or 0
    remove_files_about(person_of(members_of([contact_id])))
    with transaction.atomic(), connection.cursor() as cursor:
        contact_ids = _hold(cursor, contact_id)
        person = person_of(contact_ids)
        husk = _make_husk(now)
        told = {
            "rejected_messages": forget_rejected(person),
            "warnings": forget_warnings(person),
            "answers": forget_answers_about(person),
            "saved_views": forget_views(person),
        }
        _keep_hashes(person, husk, now)
        for app in handlers():
            app.erase(Erasing(husk_id=husk.pk, contact_ids=tuple(contact_ids), now=now))
        earlier = list(Job.objects.filter(contact_id__in=contact_ids).values_list("pk", flat=True))
        remove_export_files(job_ids=earlier)
        Job.objects.filter(pk__in=earlier).update(contact=husk)
        told |= _delete_rows(cursor, contact_ids)
        # What was written meanwhile, by an import under way say.
        remove_files_about(person)
        Job.objects.filter(pk=job.pk).update(result=told)
    return told


def _hold(cursor: CursorWrapper, contact_id: int) -> list[int]:
    """Lock the person's contacts; a merge that was under way is waited for, and then counts."""
    contact_ids: list[int] = []
    while (found := members_of([contact_id])) != contact_ids:
        contact_ids = found
        cursor.execute(LOCK, [contact_ids])
    if not Contact.objects.filter(pk=contact_id, present=True).exists():
        raise CannotRun(gettext("This contact became part of another one since; erase that one."))
    return contact_ids


def person_of(contact_ids: Sequence[int]) -> Person:
    """Return what the person behind these contacts is, and ever was, recognised by; three queries."""
    names = {(kind, value) for kind, value in _rows_of(Identity, contact_ids, "kind", "value")}
    said: dict[str, set[str]] = {"email": set(), "phone": set(), "first_name": set(), "last_name": set()}
    for row in Contact.objects.filter(pk__in=contact_ids).values(*said):
        for name, value in row.items():
            said[name].add(value)
    changes = AttributeChange.objects.filter(contact_id__in=contact_ids, name__in=list(said))
    for name, value in changes.values_list("name", "value"):
        if isinstance(value, str):
            said[name].add(value)
    names |= {(IdentityKind.EMAIL.value, address) for address in said["email"] if address}
    return Person(
        contact_ids=tuple(contact_ids),
        names=frozenset(names),
        phones=frozenset(filter(None, said["phone"])),
        first_names=frozenset(filter(None, said["first_name"])),
        last_names=frozenset(filter(None, said["last_name"])),
    )


def _rows_of(model: type[Identity], contact_ids: Sequence[int], *columns: str) -> Sequence[tuple[str, str]]:
    return list(model.objects.filter(contact_id__in=contact_ids).values_list(*columns))


def _make_husk(now: datetime) -> Contact:
    """Make what is left of a person: a random number, under which what is counted goes on being counted."""
    number = _FIRST_HUSK + secrets.randbelow(_LAST_HUSK - _FIRST_HUSK)
    return Contact.objects.create(pk=number, erased_at=now, created_at=now, updated_at=now)


def _keep_hashes(person: Person, husk: Contact, now: datetime) -> None:
    """Remember the person's names as hashes. A name that is somebody else's by now stays theirs."""
    taken = {
        (kind, value)
        for kind, value in Identity.objects.filter(value__in=[value for _, value in person.names])
        .exclude(contact_id__in=person.contact_ids)
        .values_list("kind", "value")
    }
    rows = [
        ErasedName(name_hash=keyed_hash(kind, value), husk=husk, erased_at=now)
        for kind, value in sorted(person.names - taken)
    ]
    ErasedName.objects.bulk_create(rows, ignore_conflicts=True)


def _delete_rows(cursor: CursorWrapper, contact_ids: Sequence[int]) -> dict[str, int]:
    permit_erasure(cursor)
    counts = {}
    for name, statement in DELETIONS:
        cursor.execute(statement, {"ids": list(contact_ids)})
        counts[name] = cursor.rowcount
    return {name: counts[name] for name in _TOLD}
