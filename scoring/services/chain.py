"""Writing transitions: new ones are appended, corrected ones superseded, none is ever deleted or rewritten."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from scoring.enums import Cause
from scoring.models import Transition


@dataclass(slots=True)
class NewTransition:
    """A transition as judged; compared with the recorded ones by everything but its row id."""

    contact_id: int
    from_stage: str
    to_stage: str
    effective_at: datetime
    cause: Cause
    definition_id: int
    engagement_mp: int
    fit_mp: int
    cause_event_id: int | None = None

    def identity(self) -> tuple[object, ...]:
        """What makes two transitions the same."""
        return (
            self.contact_id,
            self.effective_at,
            self.from_stage,
            self.to_stage,
            str(self.cause),
            self.cause_event_id,
            self.definition_id,
            self.engagement_mp,
            self.fit_mp,
        )


def recorded_identity(row: Transition) -> tuple[object, ...]:
    """The identity of a recorded transition, comparable with ``NewTransition.identity``."""
    return (
        row.contact_id,
        row.effective_at,
        row.from_stage,
        row.to_stage,
        row.cause,
        row.cause_event_id,
        row.definition_id,
        row.engagement_mp,
        row.fit_mp,
    )


_FIND_CAUSES = """
SELECT DISTINCT ON (event.contact_id, event.occurred_at) event.contact_id, event.occurred_at, event.id
FROM unnest(%s::bigint[], %s::timestamptz[]) AS moment (contact_id, occurred_at)
JOIN contacts_event AS event USING (contact_id, occurred_at)
WHERE event.retracted_at IS NULL AND event.suspect_reason = ''
ORDER BY event.contact_id, event.occurred_at, event.dedupe_id
"""


def name_cause_events(transitions: Sequence[NewTransition]) -> None:
    """Fill in which event caused each transition that an event caused.

    Of several events of one instant the one with the least dedupe id is named, whatever the order of arrival.
    """
    caused = [transition for transition in transitions if transition.cause == Cause.EVENT]
    if not caused:
        return
    with connection.cursor() as cursor:
        cursor.execute(_FIND_CAUSES, [[t.contact_id for t in caused], [t.effective_at for t in caused]])
        found = {(contact_id, at): event_id for contact_id, at, event_id in cursor.fetchall()}
    for transition in caused:
        transition.cause_event_id = found.get((transition.contact_id, transition.effective_at))


_SUPERSEDE_BY = """
UPDATE scoring_transition AS old SET superseded_by_id = (
    SELECT fresh.id FROM scoring_transition AS fresh
    WHERE fresh.contact_id = old.contact_id AND fresh.superseded_at IS NULL
    ORDER BY (fresh.effective_at <= old.effective_at) DESC,
             abs(date_part('epoch', fresh.effective_at - old.effective_at))
    LIMIT 1)
WHERE old.id = ANY(%s)
"""


_INSERT = """
INSERT INTO scoring_transition (contact_id, from_stage, to_stage, effective_at, cause, cause_event_id, definition_id,
                                engagement_mp, fit_mp)
SELECT * FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::timestamptz[], %s::text[], %s::bigint[], %s::bigint[],
                     %s::bigint[], %s::bigint[])
"""


def _columns(new: NewTransition) -> tuple[object, ...]:
    """A transition in the order of ``_INSERT``."""
    return (
        new.contact_id,
        new.from_stage,
        new.to_stage,
        new.effective_at,
        str(new.cause),
        new.cause_event_id,
        new.definition_id,
        new.engagement_mp,
        new.fit_mp,
    )


def write_transitions(transitions: Sequence[NewTransition], *, restarted: Sequence[int], now: datetime) -> int:
    """Record the transitions; for ``restarted`` contacts they are the whole chain and replace what differs.

    Returns the number of rows inserted. A fixed number of statements.
    """
    name_cause_events(transitions)
    fresh = {transition.identity(): transition for transition in transitions}
    outdated: list[int] = []
    if restarted:
        recorded = Transition.objects.filter(contact_id__in=list(restarted), superseded_at=None)
        outdated = [row.pk for row in recorded if fresh.pop(recorded_identity(row), None) is None]
    if outdated:
        # Before the insert: a moment has at most one transition in force. Unconsumed again: what is no longer true
        # has consequences too.
        Transition.objects.filter(pk__in=outdated).update(superseded_at=now, consumed_at=None)
    if fresh:
        columns = zip(*(_columns(new) for new in fresh.values()), strict=True)
        with connection.cursor() as cursor:
            cursor.execute(_INSERT, [list(column) for column in columns])
    if outdated:
        with connection.cursor() as cursor:
            cursor.execute(_SUPERSEDE_BY, [outdated])
    return len(fresh) + len(outdated)
