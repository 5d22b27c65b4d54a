"""Many at once: one claim wins, one offer opens; and what would happen without the conditions."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TypeVar

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction

from contacts.models import Event, Standing
from funnel.enums import HandoffState
from funnel.errors import HandoffTaken
from funnel.models import Handoff
from funnel.services.consequences import draw_consequences
from funnel.services.handoffs import claim_handoff
from scoring.models import Transition
from scoring.services.evaluate import drain_due
from tests.funnel.conftest import FITTING, World

# Real transactions on connections of their own; the shipped rows come back after the tables were emptied.
pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)

PEOPLE = 20

T = TypeVar("T")


@pytest.fixture
def racing(transactional_db: None) -> World:
    return World()


def at_once(jobs: Sequence[Callable[[], T]]) -> list[T | Exception]:
    """Run the jobs in threads of their own that all start together; exceptions are results."""
    gate = threading.Barrier(len(jobs))

    def run(job: Callable[[], T]) -> T | Exception:
        try:
            connection.ensure_connection()
            gate.wait(timeout=20)
            return job()
        except Exception as error:  # noqa: BLE001  the test looks at them
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))


def claim(handoff: Handoff, by: User, now: datetime) -> Callable[[], Handoff]:
    def run() -> Handoff:
        claim_handoff(handoff_id=handoff.pk, by=by, now=now)
        return handoff

    return run


def claim_by_reading_first(handoff: Handoff, by: User, now: datetime) -> Callable[[], Handoff]:
    """The control: the same claim with the state read first and written later."""

    def run() -> Handoff:
        with transaction.atomic():
            row = Handoff.objects.get(pk=handoff.pk)
            if row.state != HandoffState.OFFERED:
                raise HandoffTaken("somebody")
            Handoff.objects.filter(pk=row.pk).update(state=HandoffState.CLAIMED, claimed_by=by, claimed_at=now)
            return row

    return run


def test_of_twenty_simultaneous_claims_exactly_one_wins_and_the_others_learn_who(racing: World) -> None:
    offer = racing.offer()
    people = [racing.person(name=f"Rep Number{number}") for number in range(PEOPLE)]

    results = at_once([claim(offer, person, racing.now) for person in people])

    winners = [result for result in results if isinstance(result, Handoff)]
    losers = [result for result in results if isinstance(result, HandoffTaken)]
    assert (len(winners), len(losers)) == (1, PEOPLE - 1), results
    offer.refresh_from_db()
    assert offer.claimed_by is not None
    assert {loser.winner for loser in losers} == {offer.claimed_by.get_full_name()}
    assert Standing.objects.get().owner == offer.claimed_by
    assert Event.objects.filter(kind__name="handoff_claimed").count() == 1


def test_the_control_without_the_condition_has_several_winners(racing: World) -> None:
    """Proves that the race above is one: reading first lets more than one through."""
    for round_ in range(10):
        offer = racing.offer(f"person{round_}@acme.example")
        people = [racing.person(name=f"Rep{round_} Number{number}") for number in range(PEOPLE)]

        results = at_once([claim_by_reading_first(offer, person, racing.now) for person in people])
        if sum(isinstance(result, Handoff) for result in results) > 1:
            return
    pytest.fail("reading first never let two claims through: the race is not run")


def test_several_drains_at_once_open_one_offer_each_and_consume_every_transition(racing: World) -> None:
    contacts = 12
    for number in range(contacts):
        racing.happens(f"person{number}@acme.example", "demo_requested", traits=FITTING)
    while drain_due(now=racing.now):
        pass

    def drain() -> int:
        done = 0
        while drawn := draw_consequences(now=racing.now, limit=2):
            done += drawn
        return done

    results = at_once([drain] * 6)

    assert all(isinstance(result, int) for result in results), results
    while draw_consequences(now=racing.now):
        pass
    states = Counter(Handoff.objects.values_list("contact_id", "state"))
    assert len(states) == contacts
    assert set(states.values()) == {1}
    assert not Transition.objects.filter(consumed_at=None).exists()


def test_claims_and_withdrawals_at_once_leave_one_answer(racing: World) -> None:
    """While contacts fall, reps claim them: each handoff ends claimed or withdrawn, never both, and nothing hangs."""
    reps = [racing.person(name=f"Rep Number{number}") for number in range(8)]
    offers = [racing.offer(f"person{number}@acme.example") for number in range(8)]
    racing.later(days=61)

    def fall() -> int:
        while drain_due(now=racing.now, limit=3) or draw_consequences(now=racing.now, limit=3):
            pass
        return 0

    results = at_once(
        [fall, fall, *(claim(offer, rep, racing.now) for offer, rep in zip(offers, reps, strict=True))],
    )
    racing.settle()

    claimed = {result.pk for result in results if isinstance(result, Handoff)}
    for offer in offers:
        offer.refresh_from_db()
        assert offer.state == (HandoffState.CLAIMED if offer.pk in claimed else HandoffState.WITHDRAWN)
    errors = [result for result in results if isinstance(result, Exception)]
    assert {type(error).__name__ for error in errors} <= {"NotClaimable"}, errors
