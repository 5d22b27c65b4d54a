"""Ordering that a person is erased, or that all that is known of them is exported."""

from datetime import datetime

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import transaction

from contacts.audit import AuditAct
from contacts.enums import ErasureReason, JobKind, SourceKind
from contacts.models import Contact, Job, Source
from contacts.permissions import check_erase_contacts, check_export_person
from contacts.services.auditing import record_act
from contacts.services.jobs import order_job


def order_erasure(
    *, contact: Contact, by: User | None, reason: ErasureReason, now: datetime, source: Source | None = None
) -> Job:
    """Order the erasure of a contact and of all that became part of it, or return the order that waits already.

    Args:
        contact: whom.
        by: the person who orders it; None for an integration or the shell.
        reason: why; one of a few, for a text of its own could name the person and would outlive them.
        now: when.
        source: the integration that orders it, where it is one.

    Raises:
        PermissionDenied: ``by`` may not erase, or the source is public.
        Contact.DoesNotExist: it is no contact any more (merged away, or erased).
    """
    if by is not None:
        check_erase_contacts(by)
    return _order(JobKind.ERASE, contact, by, source, {"reason": ErasureReason(reason).value, "at": now.isoformat()})


def order_person_export(*, contact: Contact, by: User | None, source: Source | None = None) -> Job:
    """Order the export of all that is known of a contact, or return the order that waits already.

    Arguments and errors as of ``order_erasure``.
    """
    if by is not None:
        check_export_person(by)
    return _order(JobKind.EXPORT_PERSON, contact, by, source, {})


def _order(kind: JobKind, contact: Contact, by: User | None, source: Source | None, given: dict[str, str]) -> Job:
    if source is not None and source.kind == SourceKind.PUBLIC:
        raise PermissionDenied("A public source may neither erase people nor read about them.")
    with transaction.atomic():
        # Two who order at once get one job.
        Contact.objects.select_for_update(no_key=True).get(pk=contact.pk, present=True)
        waiting = Job.objects.filter(kind=kind, contact_id=contact.pk, finished_at=None).first()
        parameters = {**given, **({"source": source.name} if source is not None else {})}
        if waiting is not None:
            return waiting
        act = AuditAct.ERASURE_ORDERED if kind == JobKind.ERASE else AuditAct.PERSON_EXPORTED
        record_act(act, by=by, about=contact, reason=given.get("reason"))
        return order_job(kind=kind, by=by, contact=contact, parameters=parameters)
