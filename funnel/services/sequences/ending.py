"""How a contact's way through a sequence ends: stopped for a reason, or completed, which is a fact of the contact."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.utils import translation

from contacts.audit import AuditAct
from contacts.ingest.incoming import IncomingEvent
from contacts.models import Contact
from contacts.services.auditing import audited
from contacts.services.record import internal_source, record_events
from funnel.enums import AnnouncementType, EnrolmentState, StepState, StopReason
from funnel.models import Enrolment, StepRun
from funnel.permissions import check_enrol
from funnel.services.announcing import Told, announce

AHEAD = (StepState.WAITING, StepState.HELD)


class NotUnderWay(Exception):
    """The contact's way through the sequence has ended already."""


@audited(AuditAct.ENROLMENT_STOPPED, "result")
def stop_enrolment(*, enrolment_id: int, by: User | None, now: datetime) -> Enrolment:
    """Stop one by hand.

    Raises:
        PermissionDenied: ``by`` may not.
        Enrolment.DoesNotExist: there is none of this id.
        NotUnderWay: it has ended already.
    """
    if by is not None:
        check_enrol(by)
    with transaction.atomic():
        enrolment = Enrolment.objects.get(pk=enrolment_id)
        # The contact first, as everywhere: a sweep that is just sending the step is waited for.
        Contact.objects.select_for_update(no_key=True).get(pk=enrolment.contact_id)
        rows = Enrolment.objects.filter(pk=enrolment_id)
        if not stop_enrolments(rows, reason=StopReason.BY_HAND, by=by, now=now):
            raise NotUnderWay
        return rows.select_related("sequence", "contact").get()


def stop_enrolments(
    rows: "QuerySet[Enrolment]",
    *,
    reason: StopReason,
    now: datetime,
    by: User | None = None,
    told: bool = True,
) -> int:
    """Stop those of ``rows`` that are under way; return how many did. The contacts are locked. Three statements.

    ``told``: machines are told of it.
    """
    found = list(rows.filter(state=EnrolmentState.ACTIVE).order_by("pk").values_list("pk", "contact_id", "sequence_id"))
    if not found:
        return 0
    ids = [pk for pk, _, _ in found]
    Enrolment.objects.filter(pk__in=ids).update(state=EnrolmentState.STOPPED, ended_at=now, reason=reason, ended_by=by)
    StepRun.objects.filter(enrolment__in=ids, state__in=AHEAD).update(
        state=StepState.STOPPED, done_at=now, reasons=[{"code": reason.value, "message": _in_english(reason)}]
    )
    if told:
        announce([_ended(*row, outcome="stopped", reason=reason.value, now=now) for row in found])
    return len(found)


def end_enrolments(enrolments: Iterable[Enrolment], *, now: datetime) -> None:
    """End those who have no step ahead: completed where a step was sent, else stopped. The contacts are locked.

    Completing is the fact ``sequence_completed`` of whoever was enrolled, with the sequence's name and how many steps
    were sent; recording it again changes nothing. A number of statements that depends on no number.
    """
    rows = {enrolment.pk: enrolment for enrolment in enrolments}
    if not rows:
        return
    sent: dict[int, int] = {}
    for pk in StepRun.objects.filter(enrolment__in=list(rows), state=StepState.SENT).values_list(
        "enrolment_id", flat=True
    ):
        sent[pk] = sent.get(pk, 0) + 1
    empty = Enrolment.objects.filter(pk__in=[pk for pk in rows if pk not in sent])
    stop_enrolments(empty, reason=StopReason.NOTHING_SENT, now=now)
    done = [row for pk, row in rows.items() if pk in sent]
    if not done:
        return
    Enrolment.objects.filter(pk__in=[row.pk for row in done], state=EnrolmentState.ACTIVE).update(
        state=EnrolmentState.COMPLETED, ended_at=now
    )
    events = [
        IncomingEvent(
            index=index,
            message_id=f"sequence:{row.pk}:completed",
            kind="sequence_completed",
            occurred_at=now,
            # Of two that were merged, the one who was enrolled.
            id=row.origin_contact_id or row.contact_id,
            properties={
                "sequence": row.sequence.name,
                "sequence_id": str(row.sequence_id),
                "stage": row.sequence.stage,
                "steps": sent[row.pk],
            },
        )
        for index, row in enumerate(done)
    ]
    record_events(source=internal_source(), events=events, received_at=now)
    announce([_ended(row.pk, row.contact_id, row.sequence_id, outcome="completed", reason="", now=now) for row in done])


def _ended(enrolment_id: int, contact_id: int, sequence_id: int, *, outcome: str, reason: str, now: datetime) -> Told:
    data: dict[str, Any] = {
        "sequence": str(sequence_id),
        "enrolment": str(enrolment_id),
        "outcome": outcome,
        "reason": reason,
    }
    return Told(AnnouncementType.SEQUENCE_ENDED, at=now, contact_id=contact_id, data=data)


def _in_english(reason: StopReason) -> str:
    """What is stored is read by many, whoever it was whose act stopped it."""
    with translation.override(settings.LANGUAGE_CODE):
        return str(reason.label)
