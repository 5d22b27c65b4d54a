"""Invariant 7 for sequences: who is suppressed gets no step, by mail or by a tool, and what breaks it is found."""

from datetime import UTC, datetime, timedelta

from pytest_django.fixtures import Settings

from contacts.models import Contact, Mail
from contacts.services.consent_facts import suppress_address
from funnel.models import HookAttempt, HookDelivery, StepRun
from funnel.services.hooks.endpoints import create_endpoint
from funnel.services.hooks.messages import take_announcements
from funnel.services.hooks.sending import send_hooks
from funnel.services.sequences.verification import verify_steps
from funnel.services.verification import verify_invariants
from tests.funnel.hooks.receiver import receive
from tests.funnel.sequences.conftest import Garden, mail_step, tool_step


def violations(garden: Garden) -> list[str]:
    return [str(violation) for violation in verify_steps(now=garden.now)]


def suppress(garden: Garden, contact: Contact) -> None:
    suppress_address(address=contact.email, now=garden.now)


def test_a_suppressed_address_gets_no_further_step_and_nothing_is_reported(garden: Garden) -> None:
    garden.active(mail_step(), mail_step(3))
    ann = garden.lead()
    garden.sweep()
    garden.later(hours=1)
    suppress(garden, ann)
    garden.later(days=4)
    garden.sweep()
    assert garden.steps(ann) == ["sent", "stopped"]
    assert violations(garden) == []
    assert [v for v in verify_invariants(now=garden.now) if v.invariant == 7] == []


def test_a_step_sent_behind_its_back_is_found(garden: Garden) -> None:
    garden.active(mail_step(), mail_step(3))
    ann, bob = garden.lead(), garden.lead("bob@acme.example")
    garden.sweep()
    garden.later(hours=1)
    suppress(garden, ann)
    planted = StepRun.objects.filter(enrolment__contact__in=[ann, bob], state="sent")
    planted.update(done_at=garden.later(hours=1))

    step = planted.get(enrolment__contact=ann)
    found = f"invariant 7: contact {ann.pk}: step {step.pk} of a sequence was sent after its address was suppressed"
    assert violations(garden) == [found]
    assert [str(violation) for violation in verify_invariants(now=garden.now) if violation.invariant == 7] == [found]


def test_a_step_that_is_due_and_that_nobody_stops_is_found(garden: Garden) -> None:
    garden.active(mail_step(), mail_step(3))
    ann = garden.lead()
    garden.sweep()
    garden.later(hours=1)
    suppress(garden, ann)
    waiting = StepRun.objects.get(enrolment__contact=ann, state="waiting")
    assert violations(garden) == [], "its time has not come"

    garden.later(days=4)

    assert violations(garden) == [
        f"invariant 7: contact {ann.pk}: step {waiting.pk} of a sequence is due to a suppressed address"
    ]


def test_a_tool_is_not_told_to_write_to_an_address_that_was_suppressed_meanwhile(
    garden: Garden, settings: Settings
) -> None:
    settings.HOOKS_ALLOW_PRIVATE = True

    def tell() -> list[str]:
        take_announcements(now=garden.now)
        send_hooks(clock=lambda: garden.now, patience=5.0)
        return [received.body.decode() for received in receiver.received]

    garden.now = datetime.now(UTC).replace(microsecond=0)
    with receive() as receiver:
        create_endpoint(url=receiver.url, types=["sequence.step_due"], by=None, now=garden.now)
        garden.active(tool_step(), tool_step(1))
        ann, bob, cem = garden.lead(), garden.lead("bob@acme.example"), garden.lead("cem@acme.example")
        garden.sweep()
        # Of one it is not yet made a message, of another it waits to be sent again.
        suppress(garden, ann)
        take_announcements(now=garden.now)
        assert HookDelivery.objects.count() == 2
        HookDelivery.objects.update(due_at=garden.now + timedelta(minutes=5), failed=1, attempts=1)
        suppress(garden, bob)
        garden.later(minutes=6)
        told = tell()

    assert [cem.email in body for body in told] == [True]
    assert not any(address in body for body in told for address in (ann.email, bob.email))
    assert not HookDelivery.objects.filter(state="waiting").exists()
    assert HookAttempt.objects.count() == 1
    assert Mail.objects.count() == 0
