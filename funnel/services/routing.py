"""Routing: to whom new offers go, decided under the reps' capacity locks, and what would become of one."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from funnel.enums import RoutingMode
from funnel.models import Handoff, RepProfile
from funnel.routing import NO_RULES, Routed, decide
from funnel.selectors.routing import active_rules, cases_of, people_for, reps_of
from funnel.selectors.working import capacities
from funnel.services.capacity import lock_capacities


def route(
    handoffs: Sequence[Handoff], *, now: datetime, not_to: Mapping[int, Mapping[int, str]] | None = None
) -> list[Routed]:
    """Decide to whom each of these offers goes, in their order, and count it as given at ``now``.

    Call it in the transaction that stores the answers: ``rep_id`` as ``assigned_to`` (None: the queue) and ``stored``
    as ``routing``. Of a handoff only ``contact_id`` and ``stage`` are looked at, so it need not be saved. ``not_to``:
    for a contact id, who is passed over for it, by user id, with why ("let the last offer lapse").

    One query where there is no rule, else at most twenty, whatever the number. From then on until the
    transaction ends nobody else is given offers or claims beyond their limit: all who may be chosen are locked, so
    **call it last**, after the locks on contacts and handoffs, and once in a transaction.
    """
    rules = active_rules() if handoffs else []
    if not rules:
        return [NO_RULES] * len(handoffs)
    cases = cases_of([(one.contact_id, one.stage) for one in handoffs], rules, not_to=not_to or {})
    # A rule that leaves it to the queue needs nobody, and so no locks; which one it was is said all the same.
    people = people_for(rules, cases) if any(rule.mode is not RoutingMode.QUEUE for rule in rules) else []
    taken = lock_capacities(person.pk for person in people)
    reps = reps_of(people, taken, now=now)
    routed = [decide(case, rules, reps, now=now) for case in cases]
    _remember_turns({one.rep_id for one in routed if one.rep_id is not None}, now=now)
    return routed


def _remember_turns(rep_ids: Collection[int], *, now: datetime) -> None:
    """Note that these reps were given something, for whose turn it is next; whoever has no profile gets one."""
    RepProfile.objects.bulk_create(
        [RepProfile(user_id=rep_id, last_assigned_at=now) for rep_id in sorted(rep_ids)],
        update_conflicts=True,
        unique_fields=["user"],
        update_fields=["last_assigned_at"],
    )


def preview_route(*, contact_id: int, stage: str, now: datetime) -> Routed:
    """Say who would get an offer of this contact now, step by step; nothing is locked or changed."""
    rules = active_rules()
    cases = cases_of([(contact_id, stage)], rules, not_to={})
    people = people_for(rules, cases)
    reps = reps_of(people, capacities(person.pk for person in people), now=now)
    return decide(cases[0], rules, reps, now=now)
