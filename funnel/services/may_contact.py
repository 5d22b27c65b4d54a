"""May we write to somebody now, for this purpose, with this call to action? And what speaks for it or against it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.contrib.auth.models import User
from django.core.exceptions import ObjectDoesNotExist
from django.db import connection

from config.web.formats import format_day
from contacts.enums import ConsentBasis
from contacts.models import Contact, Purpose, Standing
from contacts.selectors.consent import all_purposes
from contacts.services.consent import ConsentOf, consents_of
from funnel.calls_to_action import allows as allows_call
from funnel.calls_to_action import stages_allowing
from funnel.selectors.people import name_of
from scoring.definition import DefinitionDocument
from scoring.definition.document import Stage
from scoring.selectors.definitions import published_definition

# The purpose of a person of ours writing to one contact; whose conversation it is decides about it.
SALES: Final = "sales"

# Mails of the last so many days: those that tools report as sent, and Ripen's own, also those on their way. An event
# that names no purpose counts for each: better one mail too few.
COUNT_SENT: Final = """
SELECT sent.contact_id, p.key, array_agg(sent.at ORDER BY sent.at DESC)
FROM contacts_purpose p JOIN (
    SELECT e.contact_id, e.occurred_at AS at, e.properties ->> 'purpose' AS purpose
    FROM contacts_event e JOIN contacts_kind k ON k.id = e.kind_id
    WHERE e.contact_id = ANY(%(contacts)s) AND k.name = 'email_sent'
        AND e.retracted_at IS NULL AND e.suspect_reason = '' AND e.occurred_at > %(since)s AND e.occurred_at <= %(now)s
  UNION ALL
    SELECT m.contact_id, coalesce(m.sent_at, m.created_at), own.key
    FROM contacts_mail m JOIN contacts_purpose own ON own.id = m.purpose_id
    WHERE m.contact_id = ANY(%(contacts)s) AND m.state IN ('sent', 'waiting')
        AND coalesce(m.sent_at, m.created_at) > %(since)s
) sent ON sent.purpose IS NULL OR sent.purpose = p.key
    OR NOT EXISTS (SELECT FROM contacts_purpose known WHERE known.key = sent.purpose)
WHERE p.at_most IS NOT NULL AND sent.at > %(now)s - make_interval(days => p.within_days)
GROUP BY sent.contact_id, p.key
"""


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that decides: ``code`` for programs, ``message`` for people; ``again_at``: when it holds no more."""

    code: str
    message: str
    again_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether we may; ``reasons`` are all that forbid it, or where it is allowed, what it rests on."""

    purpose: Purpose
    allowed: bool
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question: may this contact (with standing and its owner loaded) be written to for this purpose?"""

    contact: Contact
    purpose: Purpose
    call_to_action: str = ""


class NoSuchPurpose(Exception):
    """There is no purpose of that key; the text names those there are."""


def may_contact(
    *, contact_id: int, now: datetime, purpose: str, call_to_action: str = "", by: User | None = None
) -> Answer:
    """Answer for one purpose.

    Args:
        contact_id: who is written to; also one that was merged away or erased.
        now: the moment of writing.
        purpose: its key.
        call_to_action: as the definition lists it, in other words for the same, or its class; ``""``: none.
        by: who writes, where it is one of us: a claimed contact is written to for sales only by its rep.

    Raises:
        Contact.DoesNotExist: there never was one of this id.
        NoSuchPurpose: with what there is.
    """
    purposes = all_purposes()
    wanted = [one for one in purposes if one.key == purpose]
    if not wanted:
        known = ", ".join(one.key for one in purposes)
        raise NoSuchPurpose(f"There is no such purpose; there are {known}.")
    contact = Contact.objects.select_related("standing__owner").get(pk=contact_id)
    return answer_for(contact, wanted, now=now, call_to_action=call_to_action, by=by)[0]


def answer_for(
    contact: Contact,
    purposes: Sequence[Purpose],
    *,
    now: datetime,
    document: DefinitionDocument | None = None,
    call_to_action: str = "",
    by: User | None = None,
) -> list[Answer]:
    """Answer for several purposes at once; six queries at most, however many they are."""
    asked = [Asked(contact, purpose, call_to_action) for purpose in purposes]
    return answer_all(asked, now=now, document=document, by=by)


def answer_all(
    asked: Sequence[Asked], *, now: datetime, document: DefinitionDocument | None = None, by: User | None = None
) -> list[Answer]:
    """Answer many questions, in their order; as many queries as one needs, as long as standings are loaded."""
    present = {one.contact.pk: one.contact for one in asked if one.contact.present}
    if not present:
        return [Answer(one.purpose, False, (_absence(one.contact),)) for one in asked]
    document = document or published_definition()[1]
    consents = consents_of(list(present.values()))
    sent = _sent(list(present), [one.purpose for one in asked], now)
    return [
        _answer(
            one,
            consents[one.contact.pk],
            sent.get((one.contact.pk, one.purpose.key), []),
            now,
            document=document,
            by=by,
        )
        if one.contact.present
        else Answer(one.purpose, False, (_absence(one.contact),))
        for one in asked
    ]


def _answer(
    asked: Asked,
    consent: ConsentOf,
    sent: Sequence[datetime],
    now: datetime,
    *,
    document: DefinitionDocument,
    by: User | None,
) -> Answer:
    purpose, call = asked.purpose, asked.call_to_action
    standing = _standing_of(asked.contact)
    # Whoever has not been judged yet has done nothing that we know of.
    stage = document.stage(standing.stage) if standing else document.stages[0]
    against = [
        *_address_reasons(asked.contact, consent),
        *_consent_reasons(purpose, consent, standing, document, now),
        *_owner_reasons(purpose, standing, stage, by),
        *_call_reasons(call, stage, document),
        *_frequency_reasons(purpose, sent, now),
    ]
    return Answer(purpose, not against, tuple(against or _grounds(purpose, consent, stage, standing, call, now)))


def _absence(contact: Contact) -> Reason:
    if contact.erased_at is not None:
        return Reason("erased", "This person was erased at their own request.")
    return Reason("merged", f"This contact became part of contact {contact.merged_into_id}: ask about that one.")


def _address_reasons(contact: Contact, consent: ConsentOf) -> list[Reason]:
    if not contact.email:
        return [Reason("no_address", "No e-mail address is known.")]
    if consent.suppression is not None:
        why = consent.suppression.get_reason_display()
        return [Reason("suppressed", f"Nothing is sent to this address: {why}.")]
    return []


def _consent_reasons(
    purpose: Purpose, consent: ConsentOf, standing: Standing | None, document: DefinitionDocument, now: datetime
) -> list[Reason]:
    state = consent.state(purpose.key)
    if state is not None and state.is_granted:
        return []
    if state is not None:
        day = format_day(state.at, now=now)
        return [Reason("consent_withdrawn", f"{purpose.label}: refused on {day}.")]
    if purpose.basis == ConsentBasis.CONSENT:
        return [Reason("consent_missing", f"{purpose.label} needs consent, and none was given.")]
    weakest = document.stages[0]
    stage = document.stage(standing.stage) if standing else weakest
    if purpose.basis == ConsentBasis.LEGITIMATE_INTEREST and stage.key == weakest.key:
        return [Reason("stage_needs_consent", f"{stage.label} has shown no interest in us: that needs consent.")]
    if purpose.basis == ConsentBasis.CONTRACT and (standing is None or standing.furthest_stage != "customer"):
        return [Reason("no_contract", f"{purpose.label} rests on a contract, and they have not bought anything.")]
    return []


def _owner_reasons(purpose: Purpose, standing: Standing | None, stage: Stage, by: User | None) -> list[Reason]:
    if purpose.key != SALES:
        return []
    owner = standing.owner if standing else None
    if owner is not None:
        if by is not None and by.pk != owner.pk:
            return [Reason("owned_by_another", f"{name_of(owner)} is in conversation with them.")]
        return []
    if stage.owner != "sales":
        return [Reason("stage_owner", f"{stage.label} belongs to Marketing; Sales does not write to them yet.")]
    if stage.handoff:
        return [Reason("not_claimed", "Nobody has claimed them yet: claim the handoff first.")]
    return []


def _call_reasons(call: str, stage: Stage, document: DefinitionDocument) -> list[Reason]:
    if not call.strip() or allows_call(stage, call):
        return []
    elsewhere = stages_allowing(document, call)
    if not elsewhere:
        return [Reason("call_to_action_unknown", f"No stage of the definition has a call to action like “{call}”.")]
    listed = ", ".join(stage.calls_to_action) or "none"
    message = f"“{call}” is for {' or '.join(elsewhere)}. {stage.label} takes: {listed}."
    return [Reason("call_to_action_not_for_stage", message)]


def _frequency_reasons(purpose: Purpose, sent: Sequence[datetime], now: datetime) -> list[Reason]:
    if purpose.at_most is None or len(sent) < purpose.at_most:
        return []
    if purpose.at_most == 0:
        return [Reason("too_often", f"{purpose.label}: none are to be sent at all.")]
    again = sent[purpose.at_most - 1] + timedelta(days=purpose.within_days)
    told = f"{len(sent)} in {purpose.within_days} days, where {purpose.at_most} are the most"
    return [Reason("too_often", f"{purpose.label}: {told}; again from {format_day(again, now=now)}.", again)]


def _grounds(
    purpose: Purpose, consent: ConsentOf, stage: Stage, standing: Standing | None, call: str, now: datetime
) -> list[Reason]:
    """Return what the permission rests on."""
    state = consent.state(purpose.key)
    if state is not None:
        ground = Reason("consent_given", f"{purpose.label}: agreed on {format_day(state.at, now=now)}.")
    else:
        basis = ConsentBasis(purpose.basis).label
        ground = Reason(f"basis_{purpose.basis}", f"{purpose.label} rests on {basis}, and nobody objected.")
    reasons = [ground, Reason("stage", f"{stage.label}: {stage.communication}")]
    if purpose.key == SALES and standing is not None and standing.owner is not None:
        reasons.append(Reason("owner", f"{name_of(standing.owner)} owns the conversation."))
    if call.strip():
        reasons.append(Reason("call_to_action", f"{stage.label} takes “{call}”."))
    return reasons


def _sent(
    contact_ids: Sequence[int], purposes: Sequence[Purpose], now: datetime
) -> dict[tuple[int, str], list[datetime]]:
    longest = max((purpose.within_days for purpose in purposes if purpose.at_most is not None), default=0)
    if not longest:
        return {}
    given: dict[str, Any] = {"contacts": list(contact_ids), "now": now, "since": now - timedelta(days=longest)}
    with connection.cursor() as cursor:
        cursor.execute(COUNT_SENT, given)
        return {(contact_id, key): moments for contact_id, key, moments in cursor.fetchall()}


def _standing_of(contact: Contact) -> Standing | None:
    try:
        return contact.standing
    except ObjectDoesNotExist:
        return None
