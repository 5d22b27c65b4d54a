"""What pages and the API show of sequences: the list, the figures of one, who goes through it, and a contact's own."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import connection
from django.db.models import Count, Prefetch, QuerySet

from funnel.enums import EnrolmentState, SequenceState, StepState, StopReason
from funnel.models import Enrolment, Sequence, SequenceStep, StepRun
from scoring.selectors import published_definition

PAGE_SIZE: Final = 50
# Within so many days of the enrolment a contact counts as moved on, unless somebody asks for another span.
MOVED_WITHIN_DAYS: Final = 30

COUNT_REASONS: Final = """
SELECT r.key, r.state, said.why ->> 'code', count(*)
FROM funnel_steprun r
JOIN funnel_enrolment en ON en.id = r.enrolment_id
CROSS JOIN LATERAL jsonb_array_elements(r.reasons) said (why)
WHERE en.sequence_id = %s AND r.state IN ('waiting', 'skipped', 'stopped')
GROUP BY 1, 2, 3 ORDER BY 4 DESC, 3
"""
COUNT_MOVED: Final = """
SELECT count(*) FILTER (WHERE moved), count(*) FILTER (WHERE NOT moved AND enrolled_at > %(young)s)
FROM (
    SELECT en.enrolled_at, EXISTS (
        SELECT FROM scoring_transition t
        WHERE t.contact_id = en.contact_id AND t.superseded_at IS NULL AND t.to_stage = ANY(%(stronger)s)
            AND t.effective_at > en.enrolled_at AND t.effective_at <= en.enrolled_at + %(within)s
    ) AS moved
    FROM funnel_enrolment en WHERE en.sequence_id = %(sequence)s
) ways
"""


@dataclass(frozen=True, slots=True)
class SequenceRow:
    """A sequence of the list, with how many steps it has and how many contacts are where in it."""

    sequence: Sequence
    steps: int
    under_way: int
    completed: int
    stopped: int

    @property
    def enrolled(self) -> int:
        """All who ever were enrolled."""
        return self.under_way + self.completed + self.stopped


@dataclass(slots=True)
class StepFigures:
    """What became of a step for all who came to it. ``reasons``: (state, code, how many), most first."""

    step: SequenceStep
    waiting: int = 0
    sent: int = 0
    skipped: int = 0
    stopped: int = 0
    reasons: list[tuple[str, str, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Figures:
    """The report of a sequence.

    ``steps``: those it has now, in order; ``removed``: how many messages steps sent that it has no more. ``ends``: for
    each reason how many were stopped for it, most first. ``moved_on``: how many reached a stronger stage within
    ``days`` of their enrolment; ``may_yet``: of the others, how many were enrolled less than ``days`` ago.
    """

    row: SequenceRow
    steps: tuple[StepFigures, ...]
    removed: int
    ends: tuple[tuple[StopReason, int], ...]
    moved_on: int
    may_yet: int
    days: int


def list_sequences(*, before: int | None = None, limit: int = PAGE_SIZE) -> tuple[list[SequenceRow], int | None]:
    """Return a page of sequences, the latest first, and the id to go on before; three queries."""
    rows = Sequence.objects.select_related("purpose").order_by("-pk")
    if before is not None:
        rows = rows.filter(pk__lt=before)
    found = list(rows[: limit + 1])
    shown = found[:limit]
    return rows_of(shown), shown[-1].pk if len(found) > limit else None


def rows_of(sequences: Iterable[Sequence]) -> list[SequenceRow]:
    """Count the steps and contacts of these sequences; two queries."""
    rows = list(sequences)
    steps: dict[tuple[int, int], int] = {}
    for sequence_id, version, number in (
        SequenceStep.objects.filter(sequence__in=rows)
        .order_by()
        .values_list("sequence", "version")
        .annotate(number=Count("pk"))
    ):
        steps[sequence_id, version] = number
    states: dict[tuple[int, str], int] = {}
    for sequence_id, state, number in (
        Enrolment.objects.filter(sequence__in=rows)
        .order_by()
        .values_list("sequence", "state")
        .annotate(number=Count("pk"))
    ):
        states[sequence_id, state] = number
    return [
        SequenceRow(
            sequence=row,
            steps=steps.get((row.pk, row.version), 0),
            under_way=states.get((row.pk, EnrolmentState.ACTIVE), 0),
            completed=states.get((row.pk, EnrolmentState.COMPLETED), 0),
            stopped=states.get((row.pk, EnrolmentState.STOPPED), 0),
        )
        for row in rows
    ]


def figures_of(sequence: Sequence, *, now: datetime, days: int = MOVED_WITHIN_DAYS) -> Figures:
    """Return the report of a sequence; eight queries."""
    (row,) = rows_of([sequence])
    current = SequenceStep.objects.filter(sequence=sequence, version=sequence.version).order_by("position")
    steps: dict[UUID, StepFigures] = {step.key: StepFigures(step) for step in current}
    removed = 0
    runs = StepRun.objects.filter(enrolment__sequence=sequence).order_by().values_list("key", "state")
    for key, state, number in runs.annotate(number=Count("pk")):
        if key not in steps:
            removed += number if state == StepState.SENT else 0
            continue
        name = StepState.WAITING if state == StepState.HELD else StepState(state)
        setattr(steps[key], name.value, getattr(steps[key], name.value) + number)
    ends = (
        Enrolment.objects.filter(sequence=sequence, state=EnrolmentState.STOPPED)
        .order_by()
        .values_list("reason")
        .annotate(number=Count("pk"))
        .order_by("-number", "reason")
    )
    with connection.cursor() as cursor:
        cursor.execute(COUNT_REASONS, [sequence.pk])
        for key, state, code, number in cursor.fetchall():
            if key in steps:
                steps[key].reasons.append((state, code, number))
        cursor.execute(COUNT_MOVED, _moved(sequence, now, days))
        moved_on, may_yet = cursor.fetchone()
    return Figures(
        row=row,
        steps=tuple(steps.values()),
        removed=removed,
        ends=tuple((StopReason(reason), number) for reason, number in ends),
        moved_on=moved_on,
        may_yet=may_yet,
        days=days,
    )


def _moved(sequence: Sequence, now: datetime, days: int) -> Mapping[str, Any]:
    keys = [stage.key for stage in published_definition()[1].stages]
    place = keys.index(sequence.stage) if sequence.stage in keys else len(keys)
    within = timedelta(days=days)
    return {"sequence": sequence.pk, "stronger": keys[place + 1 :], "within": within, "young": now - within}


def enrolments_in_full() -> "QuerySet[Enrolment]":
    """Enrolments with their contacts, people, sequence and steps; two queries."""
    runs = StepRun.objects.select_related("step").order_by("pk")
    return Enrolment.objects.select_related("contact", "sequence__purpose", "enrolled_by", "ended_by").prefetch_related(
        Prefetch("runs", queryset=runs)
    )


def list_enrolments(
    sequence: Sequence, *, state: str = "", before: int | None = None, limit: int = PAGE_SIZE
) -> tuple[list[Enrolment], int | None]:
    """Return a page of who went through a sequence, the latest first, and the id to go on before; two queries."""
    rows = enrolments_in_full().filter(sequence=sequence).order_by("-pk")
    if state in EnrolmentState.values:
        rows = rows.filter(state=state)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    found = list(rows[: limit + 1])
    shown = found[:limit]
    return shown, shown[-1].pk if len(found) > limit else None


def enrolments_of(contact_id: int) -> list[Enrolment]:
    """Return the sequences that a contact went through, the latest first; two queries."""
    return list(enrolments_in_full().filter(contact=contact_id).order_by("-enrolled_at", "-pk")[:PAGE_SIZE])


def sequence_for(stage: str) -> Sequence | None:
    """Return the active sequence of a stage, if there is one."""
    return Sequence.objects.filter(stage=stage, state=SequenceState.ACTIVE).select_related("purpose").first()
