"""Addresses at which e-mail providers report, and the recording of what they report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import Q
from django.utils.translation import gettext

from contacts.audit import AuditAct, AuditThing
from contacts.enums import SourceKind, SuppressionReason, WireFormat
from contacts.ingest.email import EmailReport, UnreadReport, as_payload, from_payload, kind_of, read_report
from contacts.ingest.identifiers import normalise_email
from contacts.ingest.incoming import Batch, IncomingEvent, IngestionWarning, Refused, Rejected, dedupe_id
from contacts.ingest.limits import MAX_EVENTS
from contacts.ingest.native import Warn, read_each
from contacts.keys import HOOK_PREFIX, hash_key, mint_key
from contacts.models import EmailHook, Identity, Source
from contacts.permissions import check_manage_sources
from contacts.services.auditing import audited
from contacts.services.consent_facts import REFUSALS, Told, apply_refusals
from contacts.services.erased_names import find_erased
from contacts.services.identities import EMAIL
from contacts.services.problems import keep_problems
from contacts.services.record import Receipt, record_events

_USE_NOTED_EVERY: Final = timedelta(minutes=1)
_LONGEST_TOKEN: Final = 100
# What is worth keeping of a stranger, so that it can be replayed once somebody knows them.
_KEPT_OF_STRANGERS: Final = frozenset({"email_clicked", *REFUSALS})


@dataclass(frozen=True, slots=True)
class NewHook:
    """A hook and the token in its address, which is shown once and not stored."""

    hook: EmailHook
    token: str


@audited(AuditAct.EMAIL_HOOK_CREATED, "result.hook", keep=["provider", "source"])
def create_hook(*, source: Source, provider: str, by: User) -> NewHook:
    """Make an address at which ``provider`` may report in the name of ``source``.

    Raises:
        PermissionDenied: ``by`` may not manage sources.
        ValidationError: the source is a public one, Ripen's own, or revoked.
    """
    check_manage_sources(by)
    if source.kind != SourceKind.SERVER or source.revoked_at is not None:
        raise ValidationError(gettext("A provider reports in the name of a server source that is in use."))
    minted = mint_key(HOOK_PREFIX)
    hook = EmailHook.objects.create(
        source=source, provider=provider, token_hash=minted.key_hash, token_prefix=minted.prefix, created_by=by
    )
    return NewHook(hook, minted.key)


@audited(AuditAct.EMAIL_HOOK_REVOKED, "hook_id", thing=AuditThing.EMAIL_HOOK, keep=["source"])
def revoke_hook(*, hook_id: int, source: Source, by: User, now: datetime) -> bool:
    """Close an address for ever; False where it was closed already or is not this source's.

    Raises:
        PermissionDenied: ``by`` may not manage sources.
    """
    check_manage_sources(by)
    return bool(EmailHook.objects.filter(pk=hook_id, source=source, revoked_at=None).update(revoked_at=now))


def find_hook(*, provider: str, token: str, now: datetime) -> EmailHook | None:
    """Return the hook with this token, None where there is none, it or its source was revoked. Notes the use."""
    if not token.startswith(HOOK_PREFIX) or len(token) > _LONGEST_TOKEN or not token.isascii():
        return None
    hook = (
        EmailHook.objects.select_related("source")
        .filter(token_hash=hash_key(token), provider=provider, revoked_at=None, source__revoked_at=None)
        .first()
    )
    if hook is not None and (hook.last_used_at is None or now - hook.last_used_at >= _USE_NOTED_EVERY):
        long_ago = Q(last_used_at=None) | Q(last_used_at__lt=now - _USE_NOTED_EVERY)
        EmailHook.objects.filter(long_ago, pk=hook.pk).update(last_used_at=now)
    return hook


def record_reports(
    *, source: Source, provider: str, reports: Sequence[EmailReport | UnreadReport], received_at: datetime
) -> Receipt:
    """Record what a provider reports; what could not be taken is kept, and suppresses where it refuses mail.

    Only a mail that a person wrote to us makes a contact. Other reports of somebody who is none are not recorded:
    sends, deliveries and opens are only counted, clicks and refusals are kept among the rejected messages
    (``unknown_recipient``) to be replayed when the contact is there; refusals suppress the address at once. Mails
    between ourselves are nobody's reply.

    Raises:
        TooBusy: concurrent writers of the same names were always first; what was recorded by then stays.
    """
    receipt = Receipt()
    for begin in range(0, len(reports), MAX_EVENTS):
        _record_some(source, provider, reports[begin : begin + MAX_EVENTS], begin, received_at, receipt)
    payloads = [as_payload(report) if isinstance(report, EmailReport) else {} for report in reports]
    keep_problems(
        source=source,
        wire_format=WireFormat.EMAIL,
        call=provider,
        payloads=payloads,
        receipt=receipt,
        received_at=received_at,
    )
    return receipt


@dataclass(slots=True)
class _Read:
    """What a part of the reports is: events to record, and refusals of people who are no contacts."""

    events: list[IncomingEvent]
    refusals: list[Told]


def _record_some(
    source: Source,
    provider: str,
    reports: Sequence[EmailReport | UnreadReport],
    begin: int,
    received_at: datetime,
    receipt: Receipt,
) -> None:
    read = _read_all(source, reports, begin, received_at, receipt)
    if read.refusals:
        with transaction.atomic(), connection.cursor() as cursor:
            apply_refusals(cursor, told=read.refusals, source=source, by=None, now=received_at)
    if not read.events:
        return
    part = record_events(source=source, events=read.events, received_at=received_at)
    receipt.accepted += part.accepted
    receipt.duplicates += part.duplicates
    receipt.rejected += part.rejected
    receipt.warnings += part.warnings
    receipt.contact_ids |= part.contact_ids
    receipt.created |= part.created


def _read_all(
    source: Source,
    reports: Sequence[EmailReport | UnreadReport],
    begin: int,
    received_at: datetime,
    receipt: Receipt,
) -> _Read:
    addresses = {_address(report) for report in reports if isinstance(report, EmailReport)} - {""}
    known = _known(addresses)
    strangers = addresses - known
    with connection.cursor() as cursor:
        erased = {value for _, value in find_erased(cursor, [(EMAIL, address) for address in strangers])}
    team = _team(reports)
    read = _Read([], [])
    for index, report in enumerate(reports, begin):
        if isinstance(report, UnreadReport):
            receipt.rejected.append(_rejected(index, "", report.code, "", report.message))
            continue
        address = _address(report)
        odd: list[tuple[str, str, str]] = []
        try:
            event = read_report(
                index,
                report,
                received_at=received_at,
                warn=lambda *said, odd=odd: odd.append(said),
                team=team,
                is_known=address in known,
            )
        except Refused as refused:
            receipt.rejected.append(_rejected(index, "", refused.code, refused.field, refused.message))
            continue
        if event is None:
            continue
        receipt.warnings += [_warning(event, *said) for said in odd]
        if address in known or address in erased:
            # Recording refuses the erased like every other way in does.
            read.events.append(event)
        elif event.kind == "email_replied":
            if event.suspect_reason:
                receipt.warnings.append(_warning(event, "automatic_mail", "email", "Written by a machine to us."))
            elif address not in team:
                read.events.append(event)
        else:
            _turn_away(event, source, read, receipt)
    return read


def _turn_away(event: IncomingEvent, source: Source, read: _Read, receipt: Receipt) -> None:
    """Deal with a report of somebody who is no contact."""
    message = "This address is no contact's."
    if event.kind in _KEPT_OF_STRANGERS:
        receipt.rejected.append(_rejected(event.index, event.message_id, "unknown_recipient", "email", message))
    else:
        receipt.warnings.append(_warning(event, "unknown_recipient", "email", message))
    reason = REFUSALS.get(event.kind or "")
    if reason is None or (reason is SuppressionReason.BOUNCED and event.properties.get("type") != "hard"):
        return
    told = Told(
        contact_id=None,
        origin_id=None,
        address=event.email or "",
        reason=reason,
        purpose=str(event.properties.get("purpose", "")),
        at=event.occurred_at,
        message=dedupe_id(source.pk, event.message_id),
    )
    read.refusals.append(told)


def _address(report: EmailReport) -> str:
    if kind_of(report) is None:
        return ""
    try:
        return normalise_email(report.email, "email")
    except Refused:
        return ""


def _known(addresses: set[str]) -> set[str]:
    if not addresses:
        return set()
    return set(Identity.objects.filter(kind=EMAIL, value__in=addresses).values_list("value", flat=True))


def read_again(payload: Any, *, received_at: datetime) -> Batch:
    """Read a report that was kept because it could not be taken, as `contacts.ingest.email.as_payload` gave it.

    What is no mail from somebody to us makes no contact, now as then.
    """

    def read(index: int, payload: Any, warn: Warn) -> IncomingEvent:
        report = from_payload(payload)
        event = read_report(
            index, report, received_at=received_at, warn=warn, team=_team([report]), is_known=report.event != "inbound"
        )
        if event is None:
            raise Refused("unreadable", "event", "This report says nothing about a person.")
        return event

    batch = read_each([payload], read)
    batch.only_known = {event.index for event in batch.events if event.kind != "email_replied"}
    return batch


def _team(reports: Sequence[EmailReport | UnreadReport]) -> Mapping[str, str]:
    """Return the names of our people by their address; asked for only where somebody wrote to us."""
    if not any(isinstance(report, EmailReport) and kind_of(report) == "email_replied" for report in reports):
        return {}
    people: Any = User.objects.filter(is_active=True).exclude(email="")
    return {person.email.lower(): person.get_full_name() or person.email for person in people}


def _rejected(index: int, message_id: str, code: str, field: str, message: str) -> Rejected:
    return Rejected(index=index, message_id=message_id, code=code, field=field, message=message)


def _warning(event: IncomingEvent, code: str, field: str, message: str) -> IngestionWarning:
    return IngestionWarning(index=event.index, message_id=event.message_id, code=code, field=field, message=message)
