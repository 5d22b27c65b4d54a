"""A person of whom the installation knows everything it can know, for tests of erasure and export."""

import uuid
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User

from config.web.models import KeptAnswer
from contacts.enums import CorrectionAction, MailState, Role, WireFormat
from contacts.models import (
    AttributeChange,
    ConsentEntry,
    Contact,
    ContactTag,
    Due,
    Event,
    EventCorrection,
    Form,
    FormSubmission,
    Identity,
    Job,
    Mail,
    Merge,
    MergeSuggestion,
    Purpose,
    RejectedMessage,
    Source,
    SourceWarning,
    Suppression,
    Tag,
)
from contacts.services.erased_names import keyed_hash
from funnel.enums import HandoffState
from funnel.models import (
    Enrolment,
    Handoff,
    HandoffMove,
    HookAttempt,
    HookDelivery,
    HookEndpoint,
    HookMessage,
    Notification,
    NotificationItem,
    Proof,
    Sequence,
    SequenceStep,
    StepRun,
)
from scoring.models import Definition, Run, RunCell, Transition
from tests.factories import make_user, record
from tests.funnel.conftest import World

EMAIL = "kim.canary@private.example"
OTHER_EMAIL = "kim@elsewhere.example"
EXTERNAL_ID = "crm-canary-4711"
COOKIE = "cookie-canary-0815"
NAME = ("Kimberley", "Canarystone")
PHONE = "+49 151 5550199"
SECRET = "canary-of-a-property"
VALUES = (EMAIL, OTHER_EMAIL, EXTERNAL_ID, COOKIE, *NAME, PHONE, SECRET)


def live(world: World, rep: User | None = None) -> Contact:
    """Make the person: a claimed prospect, merged from two contacts, with a row in every table that can hold one."""
    rep = rep or make_user(Role.REP, email="rep.of.canary@ripen.test")
    world.claimed(rep, email=EMAIL)
    contact = Identity.objects.get(value=EMAIL).contact
    source, _ = Source.objects.get_or_create(name="crm")
    told: dict[str, Any] = {"first_name": NAME[0], "last_name": NAME[1], "phone": PHONE, "shoe size": SECRET}
    names = {"email": EMAIL, "external_id": EXTERNAL_ID, "anonymous_id": COOKIE}
    record(
        {"message_id": f"call {SECRET}", "kind": "call_connected", "contact": names, "traits": told,
         "properties": {"with": "Rhea", "note": SECRET}},
        {"message_id": str(uuid.uuid4()), "kind": "page_viewed", "contact": {"email": OTHER_EMAIL}},
        source=source, received_at=world.later(minutes=1),
    )  # fmt: skip
    world.settle()
    other = Identity.objects.get(value=OTHER_EMAIL).contact
    _merge(contact, other, world.now)
    _rows_of(contact, other, source, rep, world.now)
    _texts_about(contact, source, world.now)
    return contact


def _merge(winner: Contact, loser: Contact, now: datetime) -> None:
    """Merge by hand what the service would, so that these tests stand on their own."""
    merge = Merge.objects.create(
        winner=winner, loser=loser, merged_at=now, reason=SECRET, winner_events=1, loser_events=1, events_after=2
    )
    Contact.objects.filter(pk=loser.pk).update(merged_into=winner)
    for model in (Event, Identity, AttributeChange):
        model._default_manager.filter(contact=loser).update(contact=winner, origin_contact_id=loser.pk)
    loser.standing.delete()
    Transition.objects.filter(contact=loser).update(superseded_at=now)
    MergeSuggestion.objects.create(
        contact_id=min(winner.pk, loser.pk), other_id=max(winner.pk, loser.pk), reason=SECRET, evidence=[SECRET],
        decision="merged", decided_at=now, merge=merge,
    )  # fmt: skip
    suspended = Handoff.objects.create(
        contact=winner, origin_contact_id=loser.pk, state=HandoffState.SUSPENDED, stage="sales_prospect",
        offered_at=now, closed_at=now, suspended_by=merge, suspended_from=HandoffState.OFFERED, note=SECRET,
        routing={"why": SECRET}, moves_made=1,
    )  # fmt: skip
    HandoffMove.objects.create(handoff=suspended, number=0, name="offer", to_state="offered", at=now)
    HandoffMove.objects.create(
        handoff=suspended, number=1, name="suspend", from_state="offered", to_state="suspended", at=now, note=SECRET
    )


def _rows_of(contact: Contact, other: Contact, source: Source, rep: User, now: datetime) -> None:
    purpose = Purpose.objects.earliest("id")
    ConsentEntry.objects.create(
        contact=contact, origin_contact_id=other.pk, purpose=purpose, action="granted", at=now,
        proof={"text": SECRET}, message=uuid.uuid4(),
    )  # fmt: skip
    form, _ = Form.objects.get_or_create(source=source, token="newsletter", defaults={"name": "Newsletter"})
    FormSubmission.objects.create(form=form, contact=contact, origin_contact_id=other.pk, message=uuid.uuid4())
    Due.objects.create(contact=contact, occurred_at=now)
    ContactTag.objects.create(
        contact=contact, origin_contact_id=other.pk, tag=Tag.objects.get_or_create(name="warm")[0], tagged_at=now
    )
    Mail.objects.create(
        contact=contact, origin_contact_id=other.pk, address=EMAIL, subject=SECRET, body=SECRET, due_at=now,
        state=MailState.WAITING,
    )  # fmt: skip
    event = Event.objects.filter(contact=contact).earliest("id")
    EventCorrection.objects.create(event=event, action=CorrectionAction.RESTORED, reason=SECRET)
    Suppression.objects.create(address_hash=keyed_hash("email", EMAIL), reason="objected", at=now)
    _enrolled(contact, other, purpose, now)
    definition = Definition.objects.earliest("id")
    run = Run.objects.create(definition=definition, kind="what_if", state="finished", finished_at=now)
    ids = sorted({contact.pk, other.pk, 10**9})
    RunCell.objects.create(run=run, origin="lead", target="lead", first_id=ids[0], contact_ids=ids)
    Proof.objects.create(checked_at=now, took_ms=1, contacts=2, violations=1, invariants=[3], contact_ids=ids)
    RunCell.objects.create(run=run, origin="lead", target="audience", first_id=contact.pk, contact_ids=[contact.pk])
    Job.objects.create(kind="export_person", contact=contact, state="finished", finished_at=now, requested_by=rep)
    endpoint, _ = HookEndpoint.objects.get_or_create(url="https://hooks.example/")
    message = HookMessage.objects.create(
        uid=f"msg_{contact.pk}", type="contact.merged", contact_ids=[contact.pk, other.pk], body=SECRET, at=now
    )
    delivery = HookDelivery.objects.create(message=message, endpoint=endpoint, due_at=now)
    HookAttempt.objects.create(delivery=delivery, number=1, at=now, fault="status", status=500, answer=EMAIL)
    line = Notification.objects.create(user=rep, kind="acted", begun_at=now, at=now)
    NotificationItem.objects.create(
        notification=line, user=rep, key=f"event:{event.pk}", what="acted", contact_id=contact.pk, at=now, told_at=now
    )


def _enrolled(contact: Contact, other: Contact, purpose: Purpose, now: datetime) -> None:
    """Under way in a sequence whose next step waits, for a reason that names the person."""
    sequence, _ = Sequence.objects.get_or_create(
        name="Nurture", defaults={"stage": "lead", "purpose": purpose, "state": "active", "activated_at": now}
    )
    step, _ = SequenceStep.objects.get_or_create(sequence=sequence, version=1, position=1, channel="webhook")
    way = Enrolment.objects.create(
        sequence=sequence, contact=contact, origin_contact_id=other.pk, how="entry", enrolled_at=now
    )
    StepRun.objects.create(
        enrolment=way, step=step, key=step.key, position=1, first_due_at=now, due_at=now, mail_id=1,
        reasons=[{"code": "no_address", "message": SECRET}],
    )  # fmt: skip


def _texts_about(contact: Contact, source: Source, now: datetime) -> None:
    """What others wrote of the person, beside what they wrote of somebody of almost the same name."""
    for payload in (
        f'{{"contact": {{"email": "{EMAIL.upper()}"}}, "properties": {{"x": "{SECRET}"}}}}',
        f'{{"userId": "{EXTERNAL_ID}", "traits": {{"x": "{SECRET}"}}}}',
        f'{{"contact": {{"email": "kim"}}, "traits": {{"first_name": "{NAME[0]}", "last_name": "{NAME[1]}"}}}}',
        '{"contact": {"email": "\\u006bim.canary@private.example"}}',
        f'{{"contact": {{"email": "{EMAIL}"}}, "cut off": "here',
        f'{{"contact": {{"email": "not.{EMAIL}"}}}}',
    ):
        RejectedMessage.objects.create(
            source=source, wire_format=WireFormat.NATIVE, code="invalid_email", message="", payload=payload
        )
    for field, message_id in (("contact", f"message of {EMAIL}"), (f"traits.{EMAIL}", ""), ("email", "17")):
        SourceWarning.objects.create(
            source=source, code="odd", field=field, message="Odd.", message_id=message_id, count=3, first_at=now,
            last_at=now,
        )  # fmt: skip
    bodies = {
        "first": (f'{{"id": "{contact.pk}", "email": "{EMAIL}"}}', f"/api/v1/contacts/{contact.pk}/"),
        f"of {EMAIL}": ('{"id": "5"}', ""),
        "handoff": (f'{{"contact": "{contact.pk}", "state": "claimed"}}', ""),
        "another": (f'{{"id": "{contact.pk}", "name": "of something else"}}', ""),
    }
    for key, (body, location) in bodies.items():
        KeptAnswer.objects.create(
            caller="c", key=key, request_digest="d", status=201, content_type="application/json", location=location,
            body=body.encode(),
        )  # fmt: skip
