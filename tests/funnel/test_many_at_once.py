"""Fifty reps at two hundred handoffs at once: one chain of owners each; and what would happen without the condition."""

import contextlib
import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import connection, transaction
from django.db.models import F

from contacts.enums import Role
from contacts.ingest.incoming import IncomingEvent
from contacts.models import Event, Source, Standing
from contacts.services.record import record_events
from funnel.enums import HandoffState
from funnel.errors import HandoffConflict, HandoffTaken
from funnel.models import Handoff, HandoffMove, SalesSettings, WorkingCalendar
from funnel.moves import HELD_STATES
from funnel.services.claiming import claim_handoff, reassign_handoff, take_over_handoff
from funnel.services.consequences import reconcile_standings
from funnel.services.expiring import expire_offers, release_unattempted, warn_of_deadlines
from funnel.services.handoff_verification import verify_handoffs
from funnel.services.handoffs import accept_handoff
from funnel.services.releasing import release_handoff
from tests.funnel.conftest import FITTING, World

# Real transactions on connections of their own; the shipped rows come back after the tables were emptied.
pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)

REPS, OFFERS, TURNS, LIMIT = 50, 200, 6, 3


def open_market(offers: int) -> tuple[World, list[User]]:
    """So many offers, fifty reps who may hold three each, and a team that works day and night."""
    world = World()
    week = {day: [["00:00", "24:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
    WorkingCalendar.objects.update(hours=week)
    SalesSettings.objects.update(claim_limit=LIMIT)
    source = Source.objects.create(name="crm")
    events = [
        IncomingEvent(
            index=number,
            message_id=f"demo-{number}",
            kind="demo_requested",
            occurred_at=world.now,
            email=f"person{number}@acme.example",
            traits=FITTING,
            properties={},
        )
        for number in range(offers)
    ]
    assert record_events(source=source, events=events, received_at=world.now).accepted == offers
    world.settle()
    assert Handoff.objects.filter(state=HandoffState.OFFERED).count() == offers
    return world, [world.person(name=f"Rep Number{number}") for number in range(REPS)]


class Rep:
    """Somebody who does whatever comes to mind, and remembers what they were told had worked."""

    def __init__(self, person: User, seed: int, now: datetime, others: Sequence[User] = ()) -> None:
        self.person, self.now, self.others = person, now, others
        self.chance = random.Random(seed)
        self.claimed: list[int] = []
        self.failures: list[Exception] = []

    def work(self) -> None:
        for _ in range(TURNS):
            self._try(self.chance.choice([self._claim, self._claim, self._claim, self._accept, self._release]))

    def lead(self) -> None:
        for _ in range(TURNS * 2):
            self._try(self.chance.choice([self._reassign, self._reassign, self._take_over]))

    def _try(self, act: Callable[[], object]) -> None:
        try:
            act()
        except HandoffConflict:
            pass
        except Exception as error:  # noqa: BLE001  the test looks at them
            self.failures.append(error)

    def _any(self, **which: object) -> int | None:
        ids = list(Handoff.objects.filter(**which).values_list("pk", flat=True))
        return self.chance.choice(ids) if ids else None

    def _claim(self) -> None:
        # Only a few, so that all are after the same.
        ids = Handoff.objects.filter(state=HandoffState.OFFERED).order_by("pk").values_list("pk", flat=True)[:20]
        if ids:
            one = self.chance.choice(list(ids))
            claim_handoff(handoff_id=one, by=self.person, now=self.now)
            self.claimed.append(one)

    def _accept(self) -> None:
        if (own := self._any(claimed_by=self.person, state=HandoffState.CLAIMED)) is not None:
            self._unless_it_is_gone(lambda: accept_handoff(handoff_id=own, by=self.person, now=self.now))

    def _release(self) -> None:
        if (own := self._any(claimed_by=self.person, state__in=HELD_STATES)) is not None:
            self._unless_it_is_gone(lambda: release_handoff(handoff_id=own, by=self.person, now=self.now))

    def _unless_it_is_gone(self, act: Callable[[], object]) -> None:
        """Between looking and doing a manager or the clock may have taken it away."""
        with contextlib.suppress(PermissionDenied):
            act()

    def _reassign(self) -> None:
        if (one := self._any(state__in=[HandoffState.OFFERED, *HELD_STATES])) is not None:
            reassign_handoff(handoff_id=one, by=self.person, to=self.chance.choice(self.others), now=self.now)

    def _take_over(self) -> None:
        if (one := self._any(state__in=HELD_STATES)) is not None:
            take_over_handoff(handoff_id=one, by=self.person, now=self.now)


def at_once(jobs: Sequence[Callable[[], object]]) -> list[Exception]:
    """Run the jobs in threads of their own that all start together; return what went wrong."""
    gate = threading.Barrier(len(jobs))

    def run(job: Callable[[], object]) -> Exception | None:
        try:
            connection.ensure_connection()
            gate.wait(timeout=60)
            job()
        except Exception as error:  # noqa: BLE001  the test looks at them
            return error
        finally:
            connection.close()
        return None

    with ThreadPoolExecutor(len(jobs)) as pool:
        return [error for error in pool.map(run, jobs) if error is not None]


def test_fifty_reps_two_hundred_handoffs_one_chain_of_owners_each(transactional_db: None) -> None:
    world, people = open_market(OFFERS)
    managers = [world.person(Role.MANAGER, f"Mo Number{number}") for number in range(2)]
    now = world.later(minutes=1)
    reps = [Rep(person, seed, now) for seed, person in enumerate(people)]
    leaders = [Rep(person, REPS + seed, now, people) for seed, person in enumerate(managers)]
    chance = random.Random(7)

    def ring() -> None:
        """Time is up for some; three sweeps look after them at once."""
        for _ in range(4):
            open_ = list(Handoff.objects.filter(due_at__isnull=False).values_list("pk", flat=True))
            Handoff.objects.filter(pk__in=chance.sample(open_, min(8, len(open_))), due_at__isnull=False).update(
                due_at=now
            )
            warn_of_deadlines(now=now)
            while expire_offers(now=now, limit=4) + release_unattempted(now=now, limit=4):
                pass
            reconcile_standings(now=now)

    errors = at_once([*(rep.work for rep in reps), *(leader.lead for leader in leaders), ring, ring, ring])

    assert errors == []
    assert [error for rep in [*reps, *leaders] for error in rep.failures] == []
    assert [str(fault) for fault in verify_handoffs(now=now)] == []
    # Whoever was told that they won did, and nobody else; nobody has more than they may.
    won = Counter((handoff_id, rep.person.pk) for rep in reps for handoff_id in rep.claimed)
    assert won == Counter(HandoffMove.objects.filter(name="claim").values_list("handoff_id", "to_rep_id"))
    held = Counter(Handoff.objects.filter(state__in=HELD_STATES).values_list("claimed_by_id", flat=True))
    assert max(held[person.pk] for person in people) <= LIMIT
    # One open offer a contact, whatever became of the earlier ones; the owner's copy follows.
    assert set(Counter(Handoff.objects.filter(closed_at=None).values_list("contact_id", flat=True)).values()) == {1}
    assert Handoff.objects.filter(closed_at=None).count() == OFFERS
    reps_of = dict(Handoff.objects.filter(closed_at=None).values_list("contact_id", "claimed_by_id"))
    assert dict(Standing.objects.values_list("contact_id", "owner_id")) == reps_of
    made = Counter(HandoffMove.objects.values_list("name", flat=True))
    missing = {"claim", "release", "expire", "reassign", "accept", "take over"} - set(made)
    assert not missing, f"the race was not run: {made}"
    assert Event.objects.filter(kind__name="handoff_claimed").count() == made["claim"]


def claim_by_reading_first(handoff_id: int, by: User, now: datetime) -> None:
    """The control: the same claim with its condition removed, the state read first and written later."""
    with transaction.atomic():
        row = Handoff.objects.get(pk=handoff_id)
        if row.state != HandoffState.OFFERED:
            raise HandoffTaken("somebody")
        Handoff.objects.filter(pk=row.pk).update(
            state=HandoffState.CLAIMED, claimed_by=by, claimed_at=now, moves_made=F("moves_made") + 1
        )
        HandoffMove.objects.create(
            handoff=row, number=Handoff.objects.get(pk=row.pk).moves_made, name="claim", from_state=row.state,
            to_state=HandoffState.CLAIMED, by=by, to_rep=by, at=now,
        )  # fmt: skip


def test_the_control_without_the_condition_has_double_wins_and_broken_chains(transactional_db: None) -> None:
    """Proves that the race is one, and that the proof of the chains sees what it does."""
    world, people = open_market(10)
    ids = list(Handoff.objects.order_by("pk").values_list("pk", flat=True))
    for handoff_id in ids:

        def claim(person: User, handoff_id: int = handoff_id) -> Callable[[], None]:
            return lambda: claim_by_reading_first(handoff_id, person, world.now)

        at_once([claim(person) for person in people])
        if HandoffMove.objects.filter(handoff=handoff_id, name="claim").count() > 1:
            break
    else:
        pytest.fail("reading first never let two claims through: the race is not run")
    faults = "\n".join(str(fault) for fault in verify_handoffs(now=world.now))
    assert "(claim) begins at offered, and the one before ended at claimed" in faults
