"""What a contact's engagement was at several moments, from one look at its facts."""

import numpy as np

from scoring.engine.compiled import Compiled
from scoring.engine.facts import Facts, IntArray, Prior
from scoring.engine.judging import judge


def engagement_over(compiled: Compiled, facts: Facts, moments: IntArray) -> IntArray:
    """Engagement (millipoints) of a single contact's facts at each of the moments (microseconds).

    The very judgement that a stage is decided by, on a copy of the facts for each moment, so that the last figure is
    the score. What happened later than a moment does not count for it.

    Raises:
        ValueError: when the facts are of more or fewer than one contact.
    """
    if facts.contacts != 1:
        raise ValueError("a trend is of exactly one contact")
    many, events, profiles = len(moments), len(facts.event_at), len(facts.profile_at)
    copies = Facts(
        contacts=many,
        event_contact=np.repeat(np.arange(many), events),
        event_at=np.tile(facts.event_at, many),
        event_code=np.tile(facts.event_code, many),
        event_id=np.tile(facts.event_id, many),
        profile_contact=np.repeat(np.arange(many), profiles),
        profile_at=np.tile(facts.profile_at, many),
        profile_fit=np.tile(facts.profile_fit, many),
        profile_answers=np.tile(facts.profile_answers, (many, 1)),
        first_seen=np.repeat(facts.first_seen, many),
        ordered=facts.ordered,
        event_value=np.tile(facts.event_value, many),
    )
    return judge(compiled, copies, moments, Prior.none(many)).engagement
