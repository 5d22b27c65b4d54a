"""Where contacts stand, as arrays: models of a thousand standings would take longer than judging them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from contacts.models import Standing
from scoring.definition import STAGE_KEYS
from scoring.engine import NEVER, UNKNOWN_PAST
from scoring.engine.facts import BoolArray, IntArray
from scoring.moments import to_micros
from scoring.selectors.columns import POSTGRES_EPOCH, copy_columns, whole_numbers


@dataclass(frozen=True, slots=True)
class Stood:
    """Where each contact stands, by index. Stages are places in STAGE_KEYS; times microseconds.

    ``evaluated_at`` is UNKNOWN_PAST and stages -1 for a contact that was not judged yet; ``review_at`` may be NEVER.
    """

    stage: IntArray
    furthest: IntArray
    since: IntArray
    engagement: IntArray
    fit: IntArray
    last_activity: IntArray
    evaluated_at: IntArray
    review_at: IntArray

    @classmethod
    def nowhere(cls, contacts: int) -> Self:
        """Nobody was judged yet."""

        def full(value: int) -> IntArray:
            return np.full(contacts, value, dtype=np.int64)

        return cls(
            stage=full(-1),
            furthest=full(-1),
            since=full(UNKNOWN_PAST),
            engagement=full(0),
            fit=full(0),
            last_activity=full(UNKNOWN_PAST),
            evaluated_at=full(UNKNOWN_PAST),
            review_at=full(NEVER),
        )

    @classmethod
    def of(cls, contact_ids: IntArray, standings: Mapping[int, Standing]) -> Self:
        """Where those contacts stand that have an entry."""
        stood = cls.nowhere(len(contact_ids))
        for index, contact_id in enumerate(contact_ids.tolist()):
            row = standings.get(contact_id)
            if row is not None:
                stood.stage[index] = STAGE_KEYS.index(row.stage)
                stood.furthest[index] = STAGE_KEYS.index(row.furthest_stage)
                stood.since[index] = to_micros(row.stage_since)
                stood.engagement[index], stood.fit[index] = row.engagement_mp, row.fit_mp
                stood.last_activity[index] = to_micros(row.last_activity_at)
                stood.evaluated_at[index] = to_micros(row.evaluated_at)
                stood.review_at[index] = NEVER if row.review_at is None else to_micros(row.review_at)
        return stood

    @property
    def is_judged(self) -> BoolArray:
        """Who was judged."""
        return np.asarray(self.evaluated_at > UNKNOWN_PAST, dtype=np.bool_)

    def only(self, chosen: BoolArray) -> "Stood":
        """The same, as if all but the chosen had not been judged."""
        blank = Stood.nowhere(len(chosen))
        return Stood(*(np.where(chosen, getattr(self, name), getattr(blank, name)) for name in self.__slots__))


_STANDINGS = """
SELECT contact_id, array_position(%s::text[], stage::text)::bigint,
       array_position(%s::text[], furthest_stage::text)::bigint, stage_since, engagement_mp, fit_mp,
       last_activity_at, evaluated_at, coalesce(review_at, 'infinity')
FROM contacts_standing WHERE contact_id = ANY(%s::bigint[])
"""


def load_standings(contact_ids: IntArray) -> Stood:
    """Where the contacts (ascending ids) stand; one query."""
    params = [list(STAGE_KEYS), list(STAGE_KEYS), whole_numbers(contact_ids.tolist())]
    ids, stage, furthest, since, engagement, fit, activity, evaluated, review = copy_columns(
        _STANDINGS, params, "qqqtqqttt"
    )
    stood = Stood.nowhere(len(contact_ids))
    place = np.searchsorted(contact_ids, ids)
    stood.stage[place], stood.furthest[place] = stage - 1, furthest - 1
    stood.engagement[place], stood.fit[place] = engagement, fit
    stood.since[place], stood.last_activity[place] = since + POSTGRES_EPOCH, activity + POSTGRES_EPOCH
    stood.evaluated_at[place] = evaluated + POSTGRES_EPOCH
    stood.review_at[place] = np.where(review > NEVER, NEVER, np.minimum(review, NEVER) + POSTGRES_EPOCH)
    return stood
