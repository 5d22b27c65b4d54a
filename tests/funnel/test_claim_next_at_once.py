"""Fifty reps who claim whatever comes next: each offer once, nobody waits; and what would happen without the lock."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import partial

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import F

from contacts.enums import Role
from contacts.models import Event, Standing
from funnel.enums import HandoffState
from funnel.errors import HandoffConflict, HandoffTaken, NothingToClaim, OthersClaiming
from funnel.models import Handoff, HandoffMove, SalesSettings
from funnel.selectors.queue import QUEUE_ORDER
from funnel.services.claiming import claim_handoff, claim_next, reassign_handoff
from funnel.services.consequences import draw_consequences, reconcile_standings
from funnel.services.expiring import warn_of_deadlines
from funnel.services.handoff_verification import verify_handoffs
from tests.funnel.conftest import World
from tests.funnel.test_many_at_once import OFFERS, at_once, open_market

# Real transactions on connections of their own; the shipped rows come back after the tables were emptied.
pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)

Claim = Callable[[User, datetime], int]


def take(person: User, now: datetime) -> int:
    """Claim the next, asking again where others were at the last ones."""
    while True:
        try:
            return claim_next(by=person, now=now)
        except OthersClaiming:
            continue


class Rep:
    """Somebody who claims until nothing is left, and remembers what they were told is theirs."""

    def __init__(self, person: User, now: datetime) -> None:
        self.person, self.now = person, now
        self.got: list[int] = []

    def work(self, claim: Claim = take) -> None:
        while True:
            try:
                self.got.append(claim(self.person, self.now))
            except NothingToClaim:
                return


def test_fifty_reps_share_out_two_hundred_offers_and_each_goes_to_one(transactional_db: None) -> None:
    world, people = open_market(OFFERS)
    SalesSettings.objects.update(claim_limit=OFFERS)
    now = world.later(minutes=1)
    reps = [Rep(person, now) for person in people]

    assert at_once([rep.work for rep in reps]) == []

    told = {handoff_id: rep.person.pk for rep in reps for handoff_id in rep.got}
    assert sum(len(rep.got) for rep in reps) == OFFERS == len(told)
    assert dict(Handoff.objects.values_list("pk", "claimed_by_id")) == told
    assert Event.objects.filter(kind__name="handoff_claimed").count() == OFFERS
    owners = dict(Standing.objects.values_list("contact_id", "owner_id"))
    assert owners == dict(Handoff.objects.values_list("contact_id", "claimed_by_id"))
    assert [str(fault) for fault in verify_handoffs(now=now)] == []


def test_among_other_claims_managers_and_sweeps_nobody_is_stuck_or_over_the_limit(transactional_db: None) -> None:
    """Whatever else locks offers and contacts meanwhile: no deadlock, one chain of owners each."""
    world, people = open_market(60)
    manager = world.person(Role.MANAGER, "Mo Manager")
    now = world.later(minutes=1)
    ids = list(Handoff.objects.order_by("pk").values_list("pk", flat=True))

    def sweeps() -> None:
        for _ in range(6):
            Handoff.objects.filter(pk__in=ids[::9], state=HandoffState.OFFERED).update(warn_at=now)
            warn_of_deadlines(now=now)
            draw_consequences(now=now)
            reconcile_standings(now=now)

    def next_for(person: User) -> Callable[[], None]:
        return each([lambda: claim_next(by=person, now=now)] * 5)

    def chosen_by(person: User, step: int) -> Callable[[], None]:
        return each([partial(claim_handoff, handoff_id=one, by=person, now=now) for one in ids[step::7]])

    given = [partial(reassign_handoff, handoff_id=one, by=manager, to=people[one % 10], now=now) for one in ids[::5]]
    jobs: list[Callable[[], object]] = [next_for(person) for person in people[:20]]
    jobs += [chosen_by(person, step) for step, person in enumerate(people[20:26])]
    assert at_once([*jobs, each(given), sweeps, sweeps]) == []

    assert [str(fault) for fault in verify_handoffs(now=now)] == []
    held = Counter(Handoff.objects.filter(claimed_by__isnull=False).values_list("claimed_by_id", flat=True))
    assert max(held.values()) <= SalesSettings.objects.get().claim_limit
    made = Counter(HandoffMove.objects.values_list("name", flat=True))
    assert made["claim"] > len(people[:20]), f"the race was not run: {made}"


def each(acts: Sequence[Callable[[], object]]) -> Callable[[], None]:
    """Do one after the other, whatever conflicts."""

    def work() -> None:
        for act in acts:
            with suppress(HandoffConflict):
                act()

    return work


def take_without_a_lock(person: User, now: datetime) -> int:
    """The control: the same card, found without a lock and claimed without the condition."""
    with transaction.atomic():
        row = Handoff.objects.raw(
            "SELECT * FROM funnel_handoff WHERE state = 'offered' ORDER BY " + QUEUE_ORDER + " LIMIT 1"
        )
        first = next(iter(row), None)
        if first is None:
            raise NothingToClaim
        Handoff.objects.filter(pk=first.pk).update(
            state=HandoffState.CLAIMED, claimed_by=person, claimed_at=now, moves_made=F("moves_made") + 1
        )
        return first.pk


def test_the_control_without_the_lock_gives_one_offer_to_several(transactional_db: None) -> None:
    """Proves that the race is one."""
    world, people = open_market(30)
    reps = [Rep(person, world.now) for person in people]

    def work(rep: Rep) -> Callable[[], None]:
        return lambda: rep.work(take_without_a_lock)

    assert at_once([work(rep) for rep in reps]) == []
    told = Counter(handoff_id for rep in reps for handoff_id in rep.got)
    assert max(told.values()) > 1, "reading first never gave an offer twice: the race is not run"


@contextmanager
def locked(*handoffs: Handoff) -> Iterator[None]:
    """Somebody else is moving these at this moment."""
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            list(Handoff.objects.filter(pk__in=[one.pk for one in handoffs]).select_for_update(no_key=True))
            held.set()
            done.wait(timeout=60)
        connection.close()

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(timeout=60)
    try:
        yield
    finally:
        done.set()
        thread.join()


def test_what_somebody_else_is_at_is_passed_over_without_waiting(transactional_db: None) -> None:
    world = World()
    rep, first, second = world.person(), world.offer("ann@acme.example"), world.offer("bob@acme.example")
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '100ms'")
    with locked(first):
        assert claim_next(by=rep, now=world.now) == second.pk


def test_offers_that_others_are_at_are_not_taken_for_an_empty_queue(transactional_db: None) -> None:
    world = World()
    rep, only = world.person(), world.offer()
    with locked(only), pytest.raises(OthersClaiming, match="Others are taking the last offers") as busy:
        claim_next(by=rep, now=world.now)
    assert busy.value.code == "others_claiming"
    assert claim_next(by=rep, now=world.now) == only.pk
    with pytest.raises(NothingToClaim):
        claim_next(by=rep, now=world.now)


def test_who_claims_by_name_meanwhile_is_one_of_them(transactional_db: None) -> None:
    """A card that is claimed by its button and by "next" at once goes to one of the two, and the other is told."""
    world = World()
    for number in range(8):
        first, second = (world.person(name=f"Rep{number} {name}") for name in ("One", "Two"))
        offer = world.offer(f"person{number}@acme.example")
        by_name = partial(claim_handoff, handoff_id=offer.pk, by=first, now=world.now)
        by_turn = partial(claim_next, by=second, now=world.now)

        (lost,) = at_once([by_name, by_turn])
        winner = Handoff.objects.get(pk=offer.pk).claimed_by
        assert isinstance(lost, HandoffTaken if winner == second else NothingToClaim | OthersClaiming)
        assert winner in {first, second}
