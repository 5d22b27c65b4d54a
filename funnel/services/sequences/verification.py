"""Proving invariant 7, the sequences' part: suppressed addresses are sent no step, and none is due. Reads only."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from django.db.models import Min, Q

from contacts.enums import IdentityKind
from contacts.models import Identity, Suppression
from contacts.services.suppression import suppressed_among
from contacts.services.verification import EVERYBODY, PATIENCE, Among, Violation
from funnel.enums import EnrolmentState, SequenceState, StepState
from funnel.models import StepRun

_AT_ONCE: Final = 5_000
# The sweep looks every few seconds and stops what is due to a suppressed address; see config/schedule.py.
_SWEPT_WITHIN: Final = timedelta(minutes=1)


class _Run(NamedTuple):
    pk: int
    state: str
    done_at: datetime | None
    contact_id: int
    email: str


def verify_steps(among: Among = EVERYBODY, *, now: datetime, patience: timedelta = PATIENCE) -> Iterator[Violation]:
    """Yield steps that were sent after their contact's address was suppressed, and those still waiting though due.

    When Ripen came to know of a suppression is certain only where no source told of it later: sent steps are held
    against those alone. Who was enrolled as somebody else, whom a merge joined, had another address then.
    """
    in_force = Suppression.objects.filter(lifted_at=None)
    if not in_force.exists():
        return
    late = now - max(patience, _SWEPT_WITHIN)
    asked = Q(
        state=StepState.WAITING,
        due_at__lt=late,
        enrolment__state=EnrolmentState.ACTIVE,
        enrolment__sequence__state=SequenceState.ACTIVE,
    )
    known_since = in_force.filter(source=None).aggregate(first=Min("at"))["first"]
    if known_since is not None:
        asked |= Q(state=StepState.SENT, done_at__gt=known_since + patience)
    runs = StepRun.objects.filter(asked, enrolment__contact__present=True, enrolment__origin_contact_id=None)
    if among.ids is not None:
        runs = runs.filter(enrolment__contact__in=among.ids)
    elif not among.is_everybody:
        runs = runs.filter(enrolment__contact__gte=among.first, enrolment__contact__lte=among.last)
    fields = ("pk", "state", "done_at", "enrolment__contact_id", "enrolment__contact__email")
    some: list[_Run] = []
    for row in runs.exclude(enrolment__contact__email="").order_by("pk").values_list(*fields).iterator(_AT_ONCE):
        some.append(_Run(*row))
        if len(some) == _AT_ONCE:
            yield from _verify(some, late=late, patience=patience)
            some.clear()
    yield from _verify(some, late=late, patience=patience)


def _verify(runs: Sequence[_Run], *, late: datetime, patience: timedelta) -> Iterator[Violation]:
    suppressed = suppressed_among({run.email for run in runs})
    runs = [run for run in runs if run.email in suppressed]
    if not runs:
        return
    held = Identity.objects.filter(kind=IdentityKind.EMAIL, value__in=list(suppressed))
    held_since = {
        (contact_id, value): at for contact_id, value, at in held.values_list("contact", "value", "created_at")
    }
    for run in runs:
        row, since = suppressed[run.email], held_since.get((run.contact_id, run.email))
        if run.done_at is None:
            if row.at < late:
                yield Violation(7, f"step {run.pk} of a sequence is due to a suppressed address", run.contact_id)
        # Whoever looked in the moment of the suppression did not see it yet.
        elif row.source_id is None and run.done_at > row.at + patience and (since is None or run.done_at >= since):
            yield Violation(7, f"step {run.pk} of a sequence was sent after its address was suppressed", run.contact_id)
