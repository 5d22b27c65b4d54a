"""From journeys to events: every contact of a chunk walks its journey, all contacts of one journey at once. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from contacts.enums import SHIPPED_KINDS
from funnel.demo.content import Content
from funnel.demo.journeys import (
    ACCEPTED,
    CHANNELS,
    CLAIMED,
    CONVERTED,
    INTERNAL,
    JOURNEYS,
    NOISE,
    RETURNED,
    Journey,
    Step,
)
from funnel.demo.population import People

DAY = 86_400
OPENS, CLOSES = 8.0, 17.5  # working hours, UTC
WAKES, SLEEPS = 6.5, 22.0
# Steps that follow at once (a click on what was just opened) keep their distance instead of their hour.
_AT_ONCE = 0.05
SATURDAY, FIRST_MONDAY = 5, 4 * DAY  # 1970-01-05 was a Monday
ENTRIES = (("website", 0.5), ("search", 0.3), ("social", 0.2))
SOURCES = (*(channel.key for channel in CHANNELS), INTERNAL)
KIND_IDS = {kind.name: kind.id for kind in SHIPPED_KINDS}

Seconds = NDArray[np.int64]
Places = NDArray[np.int64]


@dataclass(slots=True)
class Events:
    """Events side by side: who (place in People), what, when (epoch seconds), from where, with which properties.

    ``source`` indexes SOURCES; ``text`` and ``suspect`` index the lists of Content; ``rep`` is a place among the reps;
    ``handoff`` the place in Handoffs that a handoff's fact belongs to; each -1 for none.
    """

    person: Places
    kind: NDArray[np.int16]
    at: Seconds
    source: NDArray[np.int8]
    text: NDArray[np.int32]
    suspect: NDArray[np.int8]
    rep: NDArray[np.int16]
    handoff: Places


@dataclass(slots=True)
class Handoffs:
    """What became of the offers to Sales; times in epoch seconds, 0 for never.

    ``attempted_at``: the first thing the rep did to reach the contact, ``active_at`` the last. ``reason`` indexes
    Content.reasons, ``note`` is a drawn number; ``by_hand``: a person recorded the win.
    """

    person: list[int] = field(default_factory=list)
    rep: list[int] = field(default_factory=list)
    offered_at: list[int] = field(default_factory=list)
    claimed_at: list[int] = field(default_factory=list)
    attempted_at: list[int] = field(default_factory=list)
    active_at: list[int] = field(default_factory=list)
    accepted_at: list[int] = field(default_factory=list)
    closed_at: list[int] = field(default_factory=list)
    outcome: list[str] = field(default_factory=list)  # "", "returned" or "won"
    reason: list[int] = field(default_factory=list)
    note: list[int] = field(default_factory=list)
    by_hand: list[bool] = field(default_factory=list)


@dataclass(slots=True)
class Timeline:
    """What a chunk's contacts did. ``journey`` and ``began`` (epoch seconds) by person."""

    journey: Places
    began: Seconds
    events: Events
    handoffs: Handoffs


def to_office_hours(at: Seconds) -> Seconds:
    """The same day within working hours; a weekend becomes its Monday. Keeps the order within a day."""
    day, second = np.divmod(at, DAY)
    weekday = (at - FIRST_MONDAY) // DAY % 7
    day = day + np.where(weekday >= SATURDAY, 7 - weekday, 0)
    return (day * DAY + OPENS * 3600 + second * (CLOSES - OPENS) * 3600 / DAY).astype(np.int64)


def to_waking_hours(at: Seconds) -> Seconds:
    """The same day, at an hour when people read and click. Keeps the order within a day."""
    day, second = np.divmod(at, DAY)
    return (day * DAY + WAKES * 3600 + second * (SLEEPS - WAKES) * 3600 / DAY).astype(np.int64)


def assign_journeys(rng: np.random.Generator, people: People, journeys: Sequence[Journey] = JOURNEYS) -> Places:
    """A journey for each person: fixed shares, people who fit first where the journey seeks them."""
    count = len(people.emails)
    bounds = np.cumsum([journey.share for journey in journeys])
    wanted = np.diff(np.rint(bounds / bounds[-1] * count).astype(np.int64), prepend=0)
    assigned = np.full(count, -1, dtype=np.int64)
    # Random order, those who fit first: a journey that seeks them takes from the front, all others what remains.
    order = np.argsort(rng.random(count) - people.fits)
    taken = 0
    for place, journey in enumerate(journeys):
        if journey.sought:
            assigned[order[taken : taken + wanted[place]]] = place
            taken += wanted[place]
    rest = rng.permutation(order[taken:])
    start = 0
    for place, journey in enumerate(journeys):
        if not journey.sought:
            assigned[rest[start : start + wanted[place]]] = place
            start += wanted[place]
    return assigned


def draw_timeline(
    rng: np.random.Generator, people: People, content: Content, *, now: int, events: int, reps: int
) -> Timeline:
    """Let all people of the chunk walk their journeys up to ``now`` (epoch seconds), then add background activity.

    ``events`` is how many there should be in all; the journeys themselves are never cut short for it.
    """
    walk = _Walk(rng, people, content, now=now, reps=reps)
    assigned = assign_journeys(rng, people)
    for place, journey in enumerate(JOURNEYS):
        members = np.flatnonzero(assigned == place)
        if len(members):
            walk.journey(journey, members)
    walk.noise(assigned, events - walk.events_so_far)
    return Timeline(assigned, walk.began, walk.collected(), walk.handoffs)


def _hours_of(journey: Journey, step: Step) -> Callable[[Seconds], Seconds]:
    """Which moments the step's moments are moved to."""
    if step.office or step.by_rep:
        return to_office_hours
    if 0 < step.after[1] < _AT_ONCE or (journey.ends and step is journey.steps[-1]):
        return _any_hour
    return to_waking_hours


def _any_hour(at: Seconds) -> Seconds:
    return at


class _Walk:
    """Collects the events of a chunk, step by step."""

    def __init__(self, rng: np.random.Generator, people: People, content: Content, *, now: int, reps: int) -> None:
        count = len(people.emails)
        self._rng = rng
        self._people = people
        self._content = content
        self._now = now
        self.began = np.zeros(count, dtype=np.int64)
        self._rep = rng.integers(reps, size=count)
        self._taste = rng.integers(1 << 30, size=count)
        self._entry = rng.choice(
            [SOURCES.index(key) for key, _ in ENTRIES], size=count, p=[share for _, share in ENTRIES]
        )
        self._open = np.full(count, -1, dtype=np.int64)
        self._comes_back = False
        self._parts: list[Events] = []
        self.handoffs = Handoffs()
        self.events_so_far = 0

    def journey(self, journey: Journey, members: Places) -> None:
        """Walk all ``members`` through the journey's steps."""
        rng, count = self._rng, len(members)
        self._comes_back = journey.comes_back
        low, high = journey.began
        delays = [(rng.uniform(*step.after, count) * DAY).astype(np.int64) for step in journey.steps]
        takes = [rng.random(count) < step.chance for step in journey.steps]
        at = self._now - (rng.uniform(low, high, count) * DAY).astype(np.int64)
        if journey.ends:
            at -= sum(delay * take for delay, take in zip(delays, takes, strict=True))
        at = np.minimum(_hours_of(journey, journey.steps[0])(at), self._now - DAY // 24)
        self.began[members] = at
        visible = self._people.fits[members] & (not journey.closed_gate)
        walking = np.ones(count, dtype=bool)
        for step, delay, drawn in zip(journey.steps, delays, takes, strict=True):
            take = drawn & walking & self._possible(step, members, visible)
            then = at + delay
            if step is not journey.steps[0]:
                then = np.maximum(_hours_of(journey, step)(then), at + 60)
            happens = take & (then < self._now - 60)
            # Whoever's next step lies ahead has come as far as one can by now.
            walking &= happens | ~take
            at = np.where(happens, then, at)
            chosen = np.flatnonzero(happens)
            if len(chosen):
                self._add_step(step, members[chosen], at[chosen], visible[chosen], step is journey.steps[0])

    def _possible(self, step: Step, members: Places, visible: NDArray[np.bool_]) -> NDArray[np.bool_]:
        if not step.sales:
            return np.ones(len(members), dtype=bool)
        return visible & (self._open[members] >= 0)

    def _add_step(self, step: Step, persons: Places, at: Seconds, visible: NDArray[np.bool_], first: bool) -> None:
        count = len(persons)
        if step.source != "entry":
            source = np.full(count, SOURCES.index(step.source), dtype=np.int8)
        elif first:
            source = self._entry[persons].astype(np.int8)
        else:
            source = np.zeros(count, dtype=np.int8)
        reps = self._rep[persons]
        handoff = np.full(count, -1, dtype=np.int64)
        if step.kind in {CLAIMED, ACCEPTED, RETURNED, CONVERTED}:
            handoff = self._open[persons]
        self._add(
            Events(
                person=persons,
                kind=np.full(count, KIND_IDS[step.kind], dtype=np.int16),
                at=at,
                source=source,
                text=self._content.draw(self._rng, step.kind, reps=reps, tastes=self._taste[persons]),
                suspect=(
                    self._rng.integers(self._content.suspicions, size=count) if step.suspect else np.full(count, -1)
                ).astype(np.int8),
                rep=np.where(step.by_rep, reps, -1).astype(np.int16),
                handoff=handoff,
            )
        )
        self._follow(step, persons, at, visible)

    def _follow(self, step: Step, persons: Places, at: Seconds, visible: NDArray[np.bool_]) -> None:
        """What the step means for the handoffs of these people."""
        made = self.handoffs
        if step.offers:
            for place in np.flatnonzero(visible & (self._open[persons] < 0)).tolist():
                self._open[persons[place]] = len(made.person)
                made.person.append(int(persons[place]))
                made.rep.append(int(self._rep[persons[place]]))
                made.offered_at.append(int(at[place]))
                for column in (made.claimed_at, made.attempted_at, made.active_at, made.accepted_at, made.closed_at):
                    column.append(0)
                made.outcome.append("")
                made.reason.append(self._content.draw_reason(self._rng, for_now=self._comes_back))
                made.note.append(int(self._rng.integers(1 << 30)))
                made.by_hand.append(False)
            return
        if step.kind in {CLAIMED, ACCEPTED}:
            column = made.claimed_at if step.kind == CLAIMED else made.accepted_at
            for person, moment in zip(persons.tolist(), at.tolist(), strict=True):
                column[self._open[person]] = moment
        elif step.by_rep and step.kind not in {RETURNED, CONVERTED}:
            for person, moment in zip(persons.tolist(), at.tolist(), strict=True):
                place = self._open[person]
                made.attempted_at[place] = made.attempted_at[place] or moment
                made.active_at[place] = moment
        elif step.kind in {RETURNED, CONVERTED, "purchased"}:
            for person, moment in zip(persons.tolist(), at.tolist(), strict=True):
                place = self._open[person]
                if place >= 0:
                    made.closed_at[place] = moment
                    made.outcome[place] = "returned" if step.kind == RETURNED else "won"
                    made.by_hand[place] = step.kind == CONVERTED
                    self._open[person] = -1

    def noise(self, assigned: Places, count: int) -> None:
        """Add ``count`` events of background activity, each within the time its contact reads us."""
        if count <= 0:
            return
        rng = self._rng
        weights = np.array([journey.noise for journey in JOURNEYS])[assigned]
        active = (np.array([journey.active_days for journey in JOURNEYS]) * DAY).astype(np.int64)[assigned]
        until = np.minimum(self.began + active, self._now - 60)
        # A contact that only just came has not read much yet.
        weights = weights * np.sqrt(np.maximum(until - self.began, 1) / DAY)
        persons = np.sort(rng.choice(len(assigned), size=count, p=weights / weights.sum()))
        spread = until[persons] - self.began[persons]
        at = self.began[persons] + 1 + (rng.random(count) * np.maximum(spread - 1, 0)).astype(np.int64)
        at = np.clip(to_waking_hours(at), self.began[persons] + 1, self._now - 60)
        shares = np.array([share for _, share, _ in NOISE])
        drawn = rng.choice(len(NOISE), size=count, p=shares / shares.sum())
        anonymous = np.array([journey.anonymous for journey in JOURNEYS])[assigned][persons]
        cold = np.array([journey.key == "cold_list" for journey in JOURNEYS])[assigned][persons]
        drawn = np.where(anonymous, 0, np.where(cold & (drawn == 0), 1, drawn))
        for place, (kind, _, source) in enumerate(NOISE):
            chosen = np.flatnonzero(drawn == place)
            none = np.full(len(chosen), -1)
            self._add(
                Events(
                    person=persons[chosen],
                    kind=np.full(len(chosen), KIND_IDS[kind], dtype=np.int16),
                    at=at[chosen],
                    source=np.full(len(chosen), SOURCES.index(source), dtype=np.int8),
                    text=self._content.draw(
                        rng, kind, reps=self._rep[persons[chosen]], tastes=self._taste[persons[chosen]]
                    ),
                    suspect=none.astype(np.int8),
                    rep=none.astype(np.int16),
                    handoff=none,
                )
            )

    def _add(self, events: Events) -> None:
        self._parts.append(events)
        self.events_so_far += len(events.person)

    def collected(self) -> Events:
        """All events so far, by person and time."""
        columns = {
            name: np.concatenate([getattr(part, name) for part in self._parts]) for name in Events.__dataclass_fields__
        }
        order = np.lexsort((columns["at"], columns["person"]))
        return Events(**{name: column[order] for name, column in columns.items()})
