"""What a sequence would do for one contact: when each step comes, what it says, and whether we might write now."""

from dataclasses import dataclass
from datetime import datetime

from contacts.models import Contact
from contacts.services.mailing import Letter
from funnel.enums import StepChannel
from funnel.models import Sequence, SequenceStep
from funnel.nurturing import due_after
from funnel.selectors.working import working_times
from funnel.services.may_contact import Answer, Asked, answer_all
from funnel.services.sequences.drafting import steps_of
from funnel.services.sequences.sending import letter_of


@dataclass(frozen=True, slots=True)
class StepPreview:
    """A step for one contact; ``at`` if nothing puts it off, ``answer`` as may-contact stands now."""

    step: SequenceStep
    at: datetime
    letter: Letter | None
    answer: Answer


def preview_sequence(*, sequence: Sequence, contact_id: int, now: datetime) -> tuple[Contact, list[StepPreview]]:
    """Go through a sequence as if the contact were enrolled now; nothing is written. A fixed number of queries.

    Raises:
        Contact.DoesNotExist: there is no such contact.
    """
    contact = Contact.objects.select_related("company", "standing__owner").get(pk=contact_id, present=True)
    steps = steps_of(sequence)
    answers = answer_all([Asked(contact, sequence.purpose, step.call_to_action) for step in steps], now=now)
    team = working_times().team
    shown, at = [], now
    for step, answer in zip(steps, answers, strict=True):
        at = due_after(step, at, team)
        letter = letter_of(step, contact, answer) if step.channel == StepChannel.EMAIL else None
        shown.append(StepPreview(step, at, letter, answer))
    return contact, shown
