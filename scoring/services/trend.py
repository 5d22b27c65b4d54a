"""How a contact's engagement went lately."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from contacts.models import Contact
from scoring.engine import Assessor
from scoring.engine.trend import engagement_over
from scoring.moments import to_micros
from scoring.selectors import compile_row, load_facts
from scoring.selectors.definitions import published_definition

DAYS: Final = 90
_STEP: Final = timedelta(days=5)


@dataclass(frozen=True, slots=True)
class Trend:
    """Engagement (millipoints) every fifth day of the last 90, the present last."""

    moments: tuple[datetime, ...]
    engagement: tuple[int, ...]

    @property
    def change(self) -> int:
        """What was gained (or lost) over the whole time, in millipoints."""
        return self.engagement[-1] - self.engagement[0]


def engagement_trend(*, contact_id: int, now: datetime) -> Trend:
    """Compute the trend from the facts as known today, all under the definition in force now; nothing is written.

    So the curve is of one scale throughout: what each event weighs did not change on the way. The facts are read once.

    Raises:
        Contact.DoesNotExist: there is no such contact, or it was merged into another.
    """
    if not Contact.objects.filter(pk=contact_id, present=True).exists():
        raise Contact.DoesNotExist
    definition, document = published_definition()
    compiled = compile_row(definition)
    ids = np.array([contact_id], dtype=np.int64)
    facts = load_facts(ids, compiled, Assessor(document), until=now)
    steps = range(DAYS // _STEP.days, -1, -1)
    moments = tuple(now - step * _STEP for step in steps)
    found = engagement_over(compiled, facts, np.array([to_micros(moment) for moment in moments], dtype=np.int64))
    return Trend(moments, tuple(int(value) for value in found))
