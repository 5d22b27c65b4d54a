"""Sequences for tests, made and activated through the services that the product uses."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from contacts.models import Contact
from contacts.services.consent import record_consent
from funnel.models import Enrolment, Sequence, StepRun
from funnel.services.sequences.activating import activate_sequence
from funnel.services.sequences.drafting import SequencePlan, StepPlan, create_sequence
from funnel.services.sequences.sending import send_due_steps
from funnel.services.sequences.steering import reconcile_sequences
from tests.funnel.conftest import World

# A Monday morning, so that days and business hours are what they look like.
MONDAY = datetime(2026, 11, 16, 10, tzinfo=UTC)


def mail_step(days: int = 0, **said: Any) -> StepPlan:
    """A mail some days after the step before."""
    said = {"subject": "Hello {first_name|there}", "body": "News for {company|you}.", **said}
    return StepPlan(channel="email", wait_days=days, in_business_hours=said.pop("in_business_hours", False), **said)


def tool_step(days: int = 0, call: str = "Download the guide", **said: Any) -> StepPlan:
    """A call to action that a tool of ours sends."""
    return StepPlan(channel="webhook", wait_days=days, call_to_action=call, in_business_hours=False, **said)


@dataclass
class Garden(World):
    """A world with sequences."""

    def draft(
        self, *steps: StepPlan, name: str = "Welcome", stage: str = "lead", purpose: str = "newsletter"
    ) -> Sequence:
        """A sequence that nobody is in yet."""
        plan = SequencePlan(name=name, stage=stage, purpose=purpose, steps=steps or (mail_step(), mail_step(3)))
        return create_sequence(plan=plan, by=None, now=self.now)

    def active(self, *steps: StepPlan, backfill: bool = False, **said: Any) -> Sequence:
        """An active one."""
        sequence = self.draft(*steps, **said)
        return activate_sequence(sequence_id=sequence.pk, backfill=backfill, by=None, now=self.now)

    def lead(self, email: str = "ann@acme.example", /, **traits: Any) -> Contact:
        """Somebody who enters the stage of leads now, and agreed to our newsletter and offers."""
        contact = self.happens(email, "form_submitted", at=self.later(minutes=1), traits=traits)
        for purpose in ("newsletter", "marketing"):
            record_consent(
                contact_id=contact.pk, purpose=purpose, action="granted", proof={"text": "yes"}, at=self.now,
                now=self.now,
            )  # fmt: skip
        self.settle()
        assert self.stage(contact) == "lead"
        return contact

    def sweep(self) -> None:
        """What the workers do."""
        while send_due_steps(now=self.now):
            pass
        while reconcile_sequences(now=self.now):
            pass
        self.settle()

    def way(self, contact: Contact) -> Enrolment:
        """The contact's only enrolment."""
        return Enrolment.objects.get(contact=contact)

    def steps(self, contact: Contact) -> list[str]:
        """What became of each step so far."""
        runs = StepRun.objects.filter(enrolment__contact=contact).order_by("pk")
        return list(runs.values_list("state", flat=True))


@pytest.fixture
def garden(db: None) -> Garden:
    return Garden(now=MONDAY)
