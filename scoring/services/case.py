"""Contacts judged at one moment, with everything that an explanation of them needs: many at once, or one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
from django.db.models import Min

from contacts.models import Contact, Due, Standing
from scoring.definition import DefinitionDocument
from scoring.engine import UNKNOWN_PAST, Assessor, Compiled, Facts, Prior, Timeline, Verdicts, judge, replay
from scoring.engine.coding import KindFacts
from scoring.engine.facts import BoolArray, IntArray, SmallArray
from scoring.matching import load_kinds
from scoring.models import Publication, Transition
from scoring.moments import to_datetime, to_micros
from scoring.selectors import Reign, load_facts, reigns
from scoring.selectors.histories import ProfileHistories
from scoring.services.folding import fold_contacts


@dataclass(frozen=True, slots=True)
class Past:
    """Where contacts stood at a moment, by index: ranks of the definition's stages, since when, whether known yet.

    ``since`` holds None where nobody knows or asks.
    """

    rank: SmallArray
    furthest: SmallArray
    since: list[datetime | None]
    known: BoolArray


@dataclass(slots=True)
class Cases:
    """Contacts (ascending ids) judged at ``at`` under one definition. Ranks are of that definition's stages.

    ``verdicts`` judge each contact's criteria given where it stood; ``profiles`` are the attribute values in force
    that the definition looks at.
    """

    contact_ids: IntArray
    at: datetime
    compiled: Compiled
    facts: Facts
    verdicts: Verdicts
    past: Past
    profiles: list[dict[str, object]]
    kinds: tuple[KindFacts, ...]

    def __iter__(self) -> Iterator["Case"]:
        """Each contact's case."""
        return (Case(self, index) for index in range(len(self.contact_ids)))


@dataclass(slots=True)
class Case:
    """One contact's case."""

    cases: Cases
    index: int
    _facts: Facts | None = field(default=None)

    @property
    def contact_id(self) -> int:
        """Whose case this is."""
        return int(self.cases.contact_ids[self.index])

    @property
    def at(self) -> datetime:
        """The moment it is about."""
        return self.cases.at

    @property
    def compiled(self) -> Compiled:
        """The definition it is judged under, compiled."""
        return self.cases.compiled

    @property
    def document(self) -> DefinitionDocument:
        """The definition it is judged under."""
        return self.cases.compiled.document

    @property
    def verdicts(self) -> Verdicts:
        """The judgement of all cases; this one's is at ``index``."""
        return self.cases.verdicts

    @property
    def facts(self) -> Facts:
        """This contact's facts alone."""
        if self._facts is None:
            alone = self.cases.facts.contacts == 1
            self._facts = self.cases.facts if alone else self.cases.facts.of_contacts(np.array([self.index]))
        return self._facts

    @property
    def profile(self) -> dict[str, object]:
        """The attribute values in force that the definition looks at."""
        return self.cases.profiles[self.index]

    @property
    def known(self) -> bool:
        """Whether anything was known of the contact by then."""
        return bool(self.cases.past.known[self.index])

    @property
    def rank(self) -> int:
        """Rank of its stage; the weakest where nothing is known yet."""
        return int(self.cases.past.rank[self.index])

    @property
    def furthest(self) -> int:
        """Rank of the strongest stage it ever reached."""
        return int(self.cases.past.furthest[self.index])

    @property
    def since(self) -> datetime | None:
        """Since when it stands there; None where nobody knows or asks."""
        return self.cases.past.since[self.index]

    @property
    def entered(self) -> bool:
        """Whether it meets what entering its stage asks for, and is not merely kept there."""
        return bool(self.verdicts.enter[self.index, self.rank])

    @property
    def prior(self) -> Prior:
        """Where it stands, as what a further judgement starts from."""
        return Prior(np.array([self.rank], dtype=np.int16), np.array([self.furthest], dtype=np.int16))

    def kind_name(self, kind_id: int) -> str:
        """Name of an event kind."""
        return next((kind.name for kind in self.cases.kinds if kind.id == kind_id), "")


def open_recorded(contact_ids: Sequence[int], *, at: datetime) -> Cases:
    """Cases under the definitions that were in force, as the contacts' history has it at ``at``.

    What the drain has not judged yet is folded in, so the answer is what is true, not what happens to be stored.
    Ids of nobody, and of contacts that were merged away, are left out; Contact.DoesNotExist where none is left. Reads
    only, a fixed number of queries.
    """
    ids = _present(contact_ids)
    rulers = reigns()
    micros = to_micros(at)
    compiled = next(reign.compiled for reign in reversed(rulers) if reign.since <= micros)
    return _judged(ids, compiled, at, _recorded_past(ids, compiled, rulers, at))


def open_replayed(contact_ids: Sequence[int], *, compiled: Compiled, at: datetime) -> Cases:
    """Cases under ``compiled`` as if it had always been in force; otherwise as ``open_recorded``."""
    ids = _present(contact_ids)
    facts = load_facts(ids, compiled, Assessor(compiled.document), until=at, with_event_ids=True)
    timeline = Timeline.start(len(ids))
    replay(compiled, facts, timeline, until=np.full(len(ids), to_micros(at), dtype=np.int64))
    known = timeline.evaluated_at > UNKNOWN_PAST
    since = [to_datetime(when) if seen else None for when, seen in zip(timeline.since, known, strict=True)]
    past = Past(np.maximum(timeline.stage, 0), np.maximum(timeline.furthest, 0), since, known)
    return _judged(ids, compiled, at, past, facts)


def open_judged(
    contact_ids: Sequence[int], *, compiled: Compiled, at: datetime, prior_stages: Mapping[int, str]
) -> Cases:
    """Cases judged once at ``at``, each coming from the stage key given for it: what publishing then would do.

    ``since`` is not known. Otherwise as ``open_recorded``.
    """
    ids = _present(contact_ids)
    facts = load_facts(ids, compiled, Assessor(compiled.document), until=at, with_event_ids=True)
    rank = np.array([compiled.document.stage_rank(prior_stages[pk]) for pk in ids.tolist()], dtype=np.int16)
    stood = judge(compiled, facts, np.full(len(ids), to_micros(at), dtype=np.int64), Prior(rank, rank))
    past = Past(stood.stage, stood.furthest, [None] * len(ids), np.ones(len(ids), dtype=np.bool_))
    return _judged(ids, compiled, at, past, facts)


def _present(contact_ids: Sequence[int]) -> IntArray:
    rows = Contact.objects.filter(pk__in=list(contact_ids), present=True).order_by("id")
    ids = np.array(rows.values_list("pk", flat=True), dtype=np.int64)
    if not len(ids):
        raise Contact.DoesNotExist("There is no such contact.")
    return ids


def _judged(ids: IntArray, compiled: Compiled, at: datetime, past: Past, facts: Facts | None = None) -> Cases:
    assessor = Assessor(compiled.document)
    if facts is None:
        facts = load_facts(ids, compiled, assessor, until=at, with_event_ids=True)
    verdicts = judge(compiled, facts, np.full(len(ids), to_micros(at), dtype=np.int64), Prior(past.rank, past.furthest))
    histories = ProfileHistories(ids, assessor, at)
    # Ordered by time: a contact's last row is the one in force.
    last = dict(zip(histories.contact.tolist(), histories.values, strict=True))
    profiles = [dict(zip(assessor.attributes, last[index], strict=True)) for index in range(len(ids))]
    return Cases(ids, at, compiled, facts, verdicts, past, profiles, load_kinds())


def _recorded_past(ids: IntArray, compiled: Compiled, rulers: Sequence[Reign], at: datetime) -> Past:
    """Where the contacts' recorded history has them at ``at``; folded on, or anew, where the drain is behind."""
    chains: dict[int, list[Transition]] = {pk: [] for pk in ids.tolist()}
    rows = Transition.objects.filter(contact_id__in=ids.tolist(), superseded_at=None)
    for row in rows.order_by("contact_id", "effective_at"):
        chains[row.contact_id].append(row)
    standings = Standing.objects.in_bulk(ids.tolist())
    due = Due.objects.filter(contact_id__in=ids.tolist()).values_list("contact_id").annotate(Min("occurred_at"))
    waiting: dict[int, datetime] = dict(due)
    document = compiled.document
    past = Past(
        rank=np.zeros(len(ids), dtype=np.int16),
        furthest=np.zeros(len(ids), dtype=np.int16),
        since=[None] * len(ids),
        known=np.zeros(len(ids), dtype=np.bool_),
    )
    is_rolling_back = _rolled_back_since() <= at
    behind: list[int] = []
    going_on: dict[int, Standing] = {}
    for index, (contact_id, chain) in enumerate(chains.items()):
        standing = standings.get(contact_id)
        is_true = standing is not None and not is_rolling_back
        if standing is not None and contact_id in waiting and waiting[contact_id] <= standing.evaluated_at:
            # It starts over at that fact; what lies before stays true.
            is_true = is_true and waiting[contact_id] > at
        if is_true and standing is not None and _reaches(standing, at, rulers, is_waiting=contact_id in waiting):
            before = [row for row in chain if row.effective_at <= at]
            if before:
                past.rank[index] = document.stage_rank(before[-1].to_stage)
                past.furthest[index] = max(document.stage_rank(row.to_stage) for row in before)
                past.since[index] = before[-1].effective_at
                past.known[index] = True
            continue
        behind.append(index)
        if is_true and standing is not None:
            going_on[contact_id] = standing
    if behind:
        folded = fold_contacts(ids[behind], until=at, standings=going_on)
        for place, index in enumerate(behind):
            if folded.stage[place]:
                past.rank[index] = document.stage_rank(folded.stage[place])
                past.furthest[index] = document.stage_rank(folded.furthest[place])
                past.since[index] = to_datetime(folded.timeline.since[place])
                past.known[index] = True
    return past


def _reaches(standing: Standing, at: datetime, rulers: Sequence[Reign], *, is_waiting: bool) -> bool:
    """Whether nothing can have changed between the last judgement and ``at``."""
    if standing.evaluated_at >= at:
        return True
    quiet = not is_waiting and (standing.review_at is None or standing.review_at > at)
    return quiet and not any(to_micros(standing.evaluated_at) < reign.since <= to_micros(at) for reign in rulers)


def _rolled_back_since() -> datetime:
    """The earliest moment of a publication that is being rolled back, later than all moments where none is.

    What was judged since then is no longer true, and not yet judged anew.
    """
    unfinished = Publication.objects.filter(retracted_at__isnull=False, judged_at=None)
    earliest: datetime | None = unfinished.aggregate(earliest=Min("effective_at"))["earliest"]
    return earliest or datetime.max.replace(tzinfo=UTC)
