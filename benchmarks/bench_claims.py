"""Claims under a crowd: fifty reps at one queue, and what a lock that everybody waits for would make of it.

Fifty claimers, each on a connection of its own that has claimed before, share out the same number of offers, in turns
in three ways:

- a card: everybody looks at the queue, takes a card of its first page and claims it by one conditional UPDATE whose row
  count decides; who was slower is told so, and looks again;
- the next: everybody claims whatever comes next; the same UPDATE, of the queue's first offer that nobody else has
  locked (``LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED``), so nobody waits and nobody loses;
- the control: everybody locks the queue's first offer (``SELECT ... FOR UPDATE``), waits until the claim of whoever has
  it is committed, finds it taken and tries the next; who gets one makes the same claim of it, under that lock.

All write the same rows. (Within the control's transaction the claim's own one is a savepoint: two statements more, of
some twenty.)

Once with everything that a claim writes (the move, the fact, the owner, the clock, what is told), and once with the
change of hands alone: the statement that decides, as the product sends it. The figure is the ratio of claims a second;
beside it stands what one takes of the processor, clients and server together, lost ones and looking included.
Afterwards every offer must have been claimed once, by the one who was told so.

With --away each statement waits so many milliseconds before it is sent, in all three ways, as if the database were on
another host: whoever holds the lock then keeps everybody waiting for each of their round trips, and the processors of
one machine no longer hide that.

    python benchmarks/bench_claims.py [--reps 50] [--processes 5] [--offers 250] [--rounds 3] [--away 0]
"""

import argparse
import contextlib
import multiprocessing
import random
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

from measuring import tell, throw_away_services

PAGE: Final = 50
FITTING: Final = {
    "job_title": "Head of Operations",
    "company": {"name": "Acme", "domain": "acme.example", "industry": "software", "employees": 200},
}
# How a rep comes by an offer: its id, None where nothing is left.
Way = Callable[[Any, Sequence[int], datetime], int | None]
FORK: Final = multiprocessing.get_context("fork")


def main() -> None:
    """Prepare offers and print a table; ends with 1 where an offer was claimed twice or not at all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reps", type=int, default=50)
    parser.add_argument("--processes", type=int, default=5, help="that the reps' connections are spread over")
    parser.add_argument("--offers", type=int, default=250, help="shared out in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--away", type=float, default=0.0, help="milliseconds that each statement is on its way")
    options = parser.parse_args()
    where = f", the database {options.away:g} ms away" if options.away else ""
    with throw_away_services():
        now = datetime.now(UTC).replace(microsecond=0)
        reps = hire(options.reps)
        # Before the processes part, so that each knows them.
        deciding(claims_a_card), deciding(claims_the_next)
        doubles, made = 0, 0
        for ways, what in (
            ((claim_wholly, next_wholly, wait_and_claim_wholly), "everything that a claim writes"),
            ((claim_barely, next_barely, wait_and_claim_barely), "the change of hands alone"),
        ):
            rates: dict[Way, list[float]] = {way: [] for way in ways}
            spent: dict[Way, list[float]] = {way: [] for way in ways}
            for _ in range(options.rounds):
                for way in ways:
                    lot = make_offers(made, options.offers, now)
                    made += len(lot)
                    took, busy, told = share_out(way, lot, reps, options.processes, now, options.away / 1000)
                    rates[way].append(len(lot) / took)
                    spent[way].append(busy / len(lot) * 1000)
                    doubles += wrongs(lot, told)
            rate = {way: statistics.median(rates[way]) for way in ways}
            cost = {way: statistics.median(spent[way]) for way in ways}
            card, next_, waiting = ways
            for way, name in ((card, "a card of the first page"), (next_, "the next")):
                tell(
                    f"claims of {name} by {options.reps} reps at once, {what}{where}: {rate[way]:,.0f} a second, "
                    f"{cost[way]:.1f} ms of the processor each",
                    f"{rate[way] / rate[waiting]:.1f} times",
                    against=f"a lock on the first offer that everybody waits for, {rate[waiting]:,.0f} a second, "
                    f"{cost[waiting]:.1f} ms",
                    aim="at least 4",
                )
        tell("offers claimed twice, by nobody, or by another than was told", str(doubles), against="", aim="0")
    if doubles:
        raise SystemExit(1)


def hire(count: int) -> list[int]:
    """So many reps who may hold as much as they like; their ids."""
    from django.contrib.auth.models import Group, User

    from contacts.enums import Role
    from funnel.models import SalesSettings, WorkingCalendar

    week = {day: [["00:00", "24:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")}
    WorkingCalendar.objects.update(hours=week)
    SalesSettings.objects.update(claim_limit=10_000)
    group, reps = Group.objects.get(name=Role.REP), []
    for number in range(count):
        name = f"rep{number}@ripen.example"
        rep = User.objects.create_user(username=name, email=name, first_name="Rep", last_name=f"Number{number}")
        rep.groups.add(group)
        reps.append(rep.pk)
    return reps


def make_offers(first: int, count: int, now: datetime) -> list[int]:
    """Contacts from the ``first`` on who asked for a demo, judged and offered; the ids of all handoffs on offer."""
    from contacts.ingest.incoming import IncomingEvent
    from contacts.models import Source
    from contacts.services.record import record_events
    from funnel.enums import HandoffState
    from funnel.models import Handoff
    from funnel.services.consequences import draw_consequences
    from scoring.services.evaluate import drain_due

    source, _ = Source.objects.get_or_create(name="crm")
    events = [
        IncomingEvent(
            index=number,
            message_id=f"demo-{first + number}",
            kind="demo_requested",
            occurred_at=now - timedelta(minutes=1),
            email=f"person{first + number}@acme.example",
            traits=FITTING,
            properties={},
        )
        for number in range(count)
    ]
    record_events(source=source, events=events, received_at=now)
    while drain_due(now=now) or draw_consequences(now=now):
        pass
    offers = list(Handoff.objects.filter(state=HandoffState.OFFERED).order_by("pk").values_list("pk", flat=True))
    if len(offers) != count:
        raise SystemExit(f"{len(offers)} offers instead of {count}")
    return offers


def share_out(
    way: Way,
    lot: Sequence[int],
    reps: Sequence[int],
    processes: int,
    now: datetime,
    away: float,
) -> tuple[float, float, list[tuple[int, int]]]:
    """Let all reps claim until nothing is left: the seconds that took, those of the processor, (offer, rep) as told."""
    from django.db import connections

    connections.close_all()
    ready, answers = FORK.Barrier(processes + 1), FORK.Queue()
    crews = [reps[place::processes] for place in range(processes)]
    started = [FORK.Process(target=work, args=(way, lot, crew, now, away, ready, answers)) for crew in crews]
    for one in started:
        one.start()
    ready.wait()
    began = time.perf_counter()
    answered = [answers.get() for _ in started]
    took = time.perf_counter() - began
    for one in started:
        one.join()
    return took, sum(busy for busy, _ in answered), [pair for _, told in answered for pair in told]


def work(
    way: Way,
    lot: Sequence[int],
    crew: Sequence[int],
    now: datetime,
    away: float,
    ready: Any,
    answers: Any,
) -> None:
    """A process with some of the reps, each in a thread with its connection."""
    from django.contrib.auth.models import User
    from django.db import connection, transaction

    def arrive(key: int) -> tuple[User, int]:
        rep = User.objects.get(pk=key)
        # A connection's first claim takes several times as long as the others: this one is taken back.
        with transaction.atomic():
            way(rep, lot, now)
            transaction.set_rollback(True)
        return rep, connection.connection.info.backend_pid

    def travel(execute: Callable[..., Any], *statement: Any) -> Any:
        time.sleep(away)
        return execute(*statement)

    def claim_all(rep: User) -> list[tuple[int, int]]:
        got = []
        with connection.execute_wrapper(travel) if away else contextlib.nullcontext():
            while (offer := way(rep, lot, now)) is not None:
                got.append((offer, rep.pk))
        return got

    # Threads keep their connection, so that the start is not the time it takes to connect.
    with ThreadPoolExecutor(len(crew)) as threads:
        gate = threading.Barrier(len(crew))
        people = list(threads.map(lambda key: (arrive(key), gate.wait())[0], crew))
        ready.wait()
        before = processor(pid for _, pid in people)
        told = [pair for got in threads.map(claim_all, [rep for rep, _ in people]) for pair in got]
        answers.put((processor(pid for _, pid in people) - before, told))


def processor(backends: Iterable[int]) -> float:
    """Seconds of the processor that this process and those of the server that serve it have taken so far."""
    # Of a process of one thread, in nanoseconds; the usual figures are rounded to hundredths of a second.
    served = sum(int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) for pid in backends)
    return time.process_time() + served / 1e9


def claim_wholly(rep: Any, lot: Sequence[int], now: datetime) -> int | None:
    """Look at the queue and claim a card of its first page until one is one's own; None where there is none."""
    from django.db import connection

    from funnel.errors import HandoffTaken
    from funnel.services.claiming import claim_handoff

    with connection.cursor() as cursor:
        while cards := _first_cards(cursor, lot):
            card = random.choice(cards)
            with contextlib.suppress(HandoffTaken):
                claim_handoff(handoff_id=card, by=rep, now=now)
                return card
    return None


def next_wholly(rep: Any, lot: Sequence[int], now: datetime) -> int | None:
    """Claim whatever comes next; None where there is none."""
    from funnel.errors import NothingToClaim, OthersClaiming
    from funnel.services.claiming import claim_next

    while True:
        try:
            return claim_next(by=rep, now=now)
        except OthersClaiming:
            continue
        except NothingToClaim:
            return None


def wait_and_claim_wholly(rep: Any, lot: Sequence[int], now: datetime) -> int | None:
    """Wait until the first card is one's own to claim; None where there is none."""
    from django.db import connection, transaction

    from funnel.services.claiming import claim_handoff

    with transaction.atomic(), connection.cursor() as cursor:
        first = _wait_for_first_card(cursor, lot)
        if first is not None:
            claim_handoff(handoff_id=first, by=rep, now=now)
    return first


def claim_barely(rep: Any, lot: Sequence[int], now: datetime) -> int | None:
    """As ``claim_wholly``, but only the statement that decides, as the product sends it."""
    from django.db import connection

    with connection.cursor() as cursor:
        while cards := _first_cards(cursor, lot):
            card = random.choice(cards)
            if _decide(cursor, claims_a_card, rep, card) is not None:
                return card
    return None


def next_barely(rep: Any, lot: Sequence[int], now: datetime) -> int | None:
    """As ``next_wholly``, but only the statement that decides, as the product sends it."""
    from django.db import connection

    with connection.cursor() as cursor:
        while (card := _decide(cursor, claims_the_next, rep)) is None and _first_cards(cursor, lot):
            pass
    return card


def wait_and_claim_barely(rep: Any, lot: Sequence[int], now: datetime) -> int | None:
    """As ``wait_and_claim_wholly``, but only the statement that decides, as the product sends it."""
    from django.db import connection, transaction

    with transaction.atomic(), connection.cursor() as cursor:
        first = _wait_for_first_card(cursor, lot)
        if first is not None:
            _decide(cursor, claims_a_card, rep, first)
    return first


# The part of the queue that is shared out now, in its order.
_CARDS: Final = """
SELECT id FROM funnel_handoff WHERE id BETWEEN %s AND %s AND state = 'offered'
ORDER BY coalesce(due_at, first_offered_at), id
"""


def _first_cards(cursor: Any, lot: Sequence[int]) -> list[int]:
    cursor.execute(f"{_CARDS} LIMIT {PAGE}", [lot[0], lot[-1]])
    return [key for (key,) in cursor.fetchall()]


def _wait_for_first_card(cursor: Any, lot: Sequence[int]) -> int | None:
    """Lock the first card that is left, waiting for whoever has it; None where all are gone."""
    cursor.execute(f"{_CARDS} LIMIT 1 FOR UPDATE", [lot[0], lot[-1]])
    found = cursor.fetchall()
    return found[0][0] if found else None


def _decide(cursor: Any, claims: Callable[[Any, datetime], object], rep: Any, card: int = 0) -> int | None:
    sql, values, who = deciding(claims)
    meant = {_OFFER: card, who: rep.pk}
    cursor.execute(sql, [meant.get(value, value) if isinstance(value, int) else value for value in values])
    found = cursor.fetchall()
    return found[0][0] if found else None


# An id that no offer has; it is replaced by the one that is meant.
_OFFER: Final = 10**15


def claims_a_card(rep: Any, now: datetime) -> None:
    """Claim an offer that is none."""
    from funnel.services.claiming import claim_handoff

    claim_handoff(handoff_id=_OFFER, by=rep, now=now)


def claims_the_next(rep: Any, now: datetime) -> None:
    """Claim the next while there is none."""
    from funnel.services.claiming import claim_next

    claim_next(by=rep, now=now)


@cache
def deciding(claims: Callable[[Any, datetime], object]) -> tuple[str, list[Any], int]:
    """The statement of a claim whose row count decides, its values, and the rep among them; the queue is empty yet."""
    from django.contrib.auth.models import User
    from django.core.exceptions import ObjectDoesNotExist
    from django.db import connection

    from funnel.errors import NothingToClaim

    rep = User.objects.latest("pk")
    sent: list[tuple[str, list[Any]]] = []

    def note(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        sent.append((sql, list(params or ())))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note), contextlib.suppress(NothingToClaim, ObjectDoesNotExist):
        claims(rep, datetime.now(UTC).replace(microsecond=0))
    sql, values = next((sql, values) for sql, values in sent if "UPDATE" in sql)
    return sql, values, rep.pk


def wrongs(lot: Sequence[int], told: Sequence[tuple[int, int]]) -> int:
    """How many offers of a lot were told to several reps or to none, or belong to another than was told."""
    from funnel.models import Handoff

    winners = dict(told)
    times = Counter(offer for offer, _ in told)
    owners = dict(Handoff.objects.filter(pk__in=lot).values_list("pk", "claimed_by"))
    return sum(times[offer] != 1 or owners[offer] != winners[offer] for offer in lot)


if __name__ == "__main__":
    main()
