"""What a definition would do if it were published now: every contact, judged, and nothing written."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from queue import SimpleQueue
from typing import Any

import numpy as np
from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext_noop

from config.web.replica import long_reads_from_replica
from contacts.models import Due, Standing
from contacts.services.work import Cancelled, CannotRun, Progress, Unwatched
from scoring.definition import STAGE_KEYS, DefinitionDocument, read_document
from scoring.engine import Assessor, Compiled, Prior, Verdicts, compile_definition, judge
from scoring.engine.facts import BoolArray, IntArray
from scoring.engine.judging import node_truth
from scoring.matching import load_kinds
from scoring.models import Publication, Run
from scoring.moments import to_micros
from scoring.selectors import load_facts, published_definition
from scoring.selectors.profiles import CurrentProfiles
from scoring.services.cells import Keep, Matrix, Moves, clear_cells, stages_as_json, store_cells
from scoring.services.folding import fold_contacts
from scoring.services.ranges import contact_ranges, judge_range, publication_moment
from scoring.services.snapshots import open_snapshot

# Bands of engagement and fit together: ten points wide from zero, and what lies above and below them.
BAND = 10
BANDS = 10


@dataclass(slots=True)
class WhatIf:
    """What publishing at ``at`` would make of every contact.

    ``matrix``: how many would go from one stage to another (or stay), ``examples`` the first contacts of each cell.
    ``opens`` counts those who would enter the stages that are handed to Sales, ``withdraws`` those who would leave
    them. ``flags``: how many of each stage the definition would flag. ``before`` and ``after`` count contacts by band
    of engagement and fit together, from below zero to above the last band: as stored, and as judged at ``at``.
    """

    at: datetime
    definition: str
    against: str
    from_stages: list[dict[str, str]]
    to_stages: list[dict[str, str]]
    contacts: int = 0
    moved: int = 0
    opens: int = 0
    withdraws: int = 0
    cells: Matrix = field(default_factory=Matrix)
    flags: Counter[str] = field(default_factory=Counter)
    before: IntArray = field(default_factory=lambda: np.zeros(BANDS + 2, dtype=np.int64))
    after: IntArray = field(default_factory=lambda: np.zeros(BANDS + 2, dtype=np.int64))

    @property
    def matrix(self) -> Counter[tuple[str, str]]:
        """Contacts of each cell (origin, target)."""
        return self.cells.contacts

    @property
    def examples(self) -> dict[tuple[str, str], list[int]]:
        """The first contacts of each cell, by id."""
        return self.cells.examples

    def as_json(self) -> dict[str, Any]:
        """The result of a run, see docs/what-if.md."""
        return {
            "at": self.at.isoformat(),
            "definition": self.definition,
            "against": self.against,
            "contacts": self.contacts,
            "moved": self.moved,
            "opens": self.opens,
            "withdraws": self.withdraws,
            "stages": {"from": self.from_stages, "to": self.to_stages},
            "matrix": self.cells.as_json(),
            "scores": _bands_as_json(self.before, self.after),
            "flags": [
                {"stage": stage["key"], "contacts": self.flags[stage["key"]]}
                for stage in self.to_stages
                if self.flags[stage["key"]]
            ],
        }


@dataclass(frozen=True, slots=True)
class _Part:
    """A range of contacts judged: stages before and after, scores before and after in millipoints, and flags."""

    moves: Moves
    before: IntArray
    after: IntArray
    flagged: BoolArray


@dataclass(frozen=True, slots=True)
class _Trial:
    """What is tried, when, and against what."""

    compiled: Compiled
    at: datetime
    current: DefinitionDocument
    against: str
    contacts: int
    ranges: list[tuple[int, int]]
    # One for each connection: they remember what they read, and threads must not share that.
    profiles: SimpleQueue[CurrentProfiles]
    # Contacts judged before this moment may not have passed the latest publication yet; None: all have.
    unfinished: datetime | None

    def begin(self) -> WhatIf:
        return WhatIf(
            at=self.at,
            definition=self.compiled.version,
            against=self.against,
            from_stages=stages_as_json(self.current),
            to_stages=stages_as_json(self.compiled.document),
        )


def what_if(
    document: DefinitionDocument,
    *,
    now: datetime,
    progress: Progress | None = None,
    connections: int = 1,
    chunk: int = 20_000,
    version: str = "",
    keep: Keep | None = None,
) -> WhatIf:
    """Judge every contact under ``document`` as publishing it at ``now`` would; equal to publishing, but read only.

    Everything is read in one snapshot, on so many ``connections`` besides the caller's, ``chunk`` ids at a time, so
    ingest and judgement go on meanwhile. Contacts with facts or reviews that nobody judged yet are first brought up to
    the moment, as the drain would. Inside a transaction of the caller it reads what that sees. ``keep`` is given the
    cells of each part; ``version`` names the definition.

    Raises:
        Cancelled: by ``progress``; nothing is left behind.
        CannotRun: a roll-back is under way, so where contacts stand is between two states.
    """
    progress = progress or Unwatched()
    with open_snapshot(connections) as snapshot:
        name = version or f"{document.key}@draft"
        trial = snapshot.call(lambda: _prepare(document, now, chunk=chunk, connections=connections, version=name))
        progress.begin(trial.contacts)
        found = trial.begin()
        for part in snapshot.map(lambda bounds: _judge_part(trial, *bounds), trial.ranges):
            cells = list(part.moves.cells())
            _add(found, part, cells, trial)
            if keep is not None:
                keep(cells)
            progress.advance(len(part.moves.ids))
    return found


@long_reads_from_replica
def run_what_if(run: Run, progress: Progress) -> dict[str, Any]:
    """Do the run: a what-if of its document as it was ordered; keeps the contacts of each cell, returns the result."""
    clear_cells(run)
    try:
        return what_if(
            read_document(run.document),
            now=timezone.now(),
            progress=progress,
            version=f"{run.definition.key}@{run.definition.version}",
            keep=lambda cells: store_cells(run, cells),
        ).as_json()
    except Cancelled:
        clear_cells(run)
        raise


def _prepare(document: DefinitionDocument, now: datetime, *, chunk: int, connections: int, version: str) -> _Trial:
    if Publication.objects.filter(retracted_at__isnull=False, judged_at=None).exists():
        raise CannotRun(gettext_noop("A roll-back is under way; try again once it is through."))
    row, current = published_definition()
    profiles: SimpleQueue[CurrentProfiles] = SimpleQueue()
    for _ in range(connections):
        profiles.put(CurrentProfiles(document))
    return _Trial(
        compiled=compile_definition(document, load_kinds(), version=version),
        at=publication_moment(now),
        current=current,
        against=f"{row.key}@{row.version}",
        contacts=Standing.objects.count(),
        ranges=list(contact_ranges(chunk)),
        profiles=profiles,
        unfinished=_unfinished_since(),
    )


def _unfinished_since() -> datetime | None:
    """The moment of the latest publication while contacts are still judged by it; the first one has no moment."""
    publications = list(Publication.objects.filter(retracted_at=None).order_by("-effective_at")[:2])
    return publications[0].effective_at if len(publications) > 1 and publications[0].judged_at is None else None


def _judge_part(trial: _Trial, first: int, last: int) -> _Part:
    profiles = trial.profiles.get()
    try:
        parts = [_settled(trial, profiles, first, last), _unsettled(trial, first, last)]
    finally:
        trial.profiles.put(profiles)
    ids = np.concatenate([part.moves.ids for part in parts])
    order = np.argsort(ids)
    return _Part(
        moves=Moves(
            ids[order],
            np.concatenate([part.moves.origin for part in parts])[order],
            np.concatenate([part.moves.target for part in parts])[order],
        ),
        before=np.concatenate([part.before for part in parts]),
        after=np.concatenate([part.after for part in parts]),
        flagged=np.concatenate([part.flagged for part in parts])[order],
    )


def _settled(trial: _Trial, profiles: CurrentProfiles, first: int, last: int) -> _Part:
    """Contacts without anything waiting for judgement, from where they stand."""
    found = judge_range(trial.compiled, profiles, trial.at, first, last, judged_since=trial.unfinished)
    if found is None:
        return _nobody()
    before = found.timeline.engagement + found.timeline.fit
    return _part(trial.compiled, found.ids, found.origin, before, found.verdicts)


_UNSETTLED = """
WITH unsettled AS (
    SELECT contact_id FROM contacts_due WHERE contact_id BETWEEN %(first)s AND %(last)s
    UNION
    SELECT contact_id FROM contacts_standing
    WHERE contact_id BETWEEN %(first)s AND %(last)s AND (review_at <= %(at)s OR evaluated_at < %(unfinished)s))
SELECT contact.id FROM contacts_contact AS contact JOIN unsettled ON unsettled.contact_id = contact.id
WHERE contact.present
ORDER BY contact.id
"""


def _unsettled(trial: _Trial, first: int, last: int) -> _Part:
    """Contacts with new facts or overdue reviews: first brought up to just before the moment, as the drain would."""
    bounds: dict[str, Any] = {"first": first, "last": last, "at": trial.at, "unfinished": trial.unfinished}
    with connection.cursor() as cursor:
        cursor.execute(_UNSETTLED, bounds)
        ids = np.array([contact_id for (contact_id,) in cursor.fetchall()], dtype=np.int64)
    if not len(ids):
        return _nobody()
    folded = fold_contacts(ids, until=trial.at - timedelta(microseconds=1), standings=_going_on(ids))
    known = np.flatnonzero([bool(stage) for stage in folded.stage])
    if not len(known):
        return _nobody()
    ids = ids[known]
    document = trial.compiled.document
    prior = Prior(
        np.array([document.stage_rank(folded.stage[index]) for index in known], dtype=np.int16),
        np.array([document.stage_rank(folded.furthest[index]) for index in known], dtype=np.int16),
    )
    facts = load_facts(ids, trial.compiled, Assessor(document), until=trial.at)
    verdicts = judge(trial.compiled, facts, np.full(len(ids), to_micros(trial.at), dtype=np.int64), prior)
    origin = np.array([STAGE_KEYS.index(folded.stage[index]) for index in known], dtype=np.int64)
    before = (folded.timeline.engagement + folded.timeline.fit)[known]
    return _part(trial.compiled, ids, origin, before, verdicts)


def _going_on(ids: IntArray) -> Mapping[int, Standing]:
    """The standings that the drain would go on from; a contact with facts before its last judgement starts over."""
    earliest: dict[int, datetime] = {}
    for contact_id, occurred_at in Due.objects.filter(contact_id__in=ids.tolist()).values_list(
        "contact_id", "occurred_at"
    ):
        earliest[contact_id] = min(occurred_at, earliest.get(contact_id, occurred_at))
    return {
        row.contact_id: row
        for row in Standing.objects.filter(contact_id__in=ids.tolist())
        if row.contact_id not in earliest or earliest[row.contact_id] > row.evaluated_at
    }


def _part(compiled: Compiled, ids: IntArray, origin: IntArray, before: IntArray, verdicts: Verdicts) -> _Part:
    places = np.array([STAGE_KEYS.index(stage.key) for stage in compiled.document.stages], dtype=np.int64)
    flagged = np.zeros(len(ids), dtype=np.bool_)
    for rank, node in enumerate(compiled.flag_unless):
        if node is not None:
            flagged |= (verdicts.stage == rank) & ~node_truth(node, verdicts.truths)
    return _Part(Moves(ids, origin, places[verdicts.stage]), before, verdicts.engagement + verdicts.fit, flagged)


def _nobody() -> _Part:
    none = np.empty(0, dtype=np.int64)
    return _Part(Moves(none, none, none), none, none, np.empty(0, dtype=np.bool_))


def _add(found: WhatIf, part: _Part, cells: Iterable[tuple[str, str, IntArray]], trial: _Trial) -> None:
    handed_over = {stage.key for stage in trial.current.stages if stage.handoff}
    would_hand_over = {stage.key for stage in trial.compiled.document.stages if stage.handoff}
    for origin, target, ids in cells:
        number = len(ids)
        found.contacts += number
        found.cells.add(origin, target, ids)
        if origin != target:
            found.moved += number
        if target in would_hand_over and origin not in handed_over:
            found.opens += number
        if origin in handed_over and target not in would_hand_over:
            found.withdraws += number
    found.before += _banded(part.before)
    found.after += _banded(part.after)
    if part.flagged.any():
        numbers = np.bincount(part.moves.target[part.flagged], minlength=len(STAGE_KEYS)).tolist()
        found.flags.update({key: number for key, number in zip(STAGE_KEYS, numbers, strict=True) if number})


def _banded(scores: IntArray) -> IntArray:
    return np.bincount(np.clip(scores // (BAND * 1000), -1, BANDS) + 1, minlength=BANDS + 2)


def _bands_as_json(before: IntArray, after: IntArray) -> list[dict[str, int | None]]:
    """From zero up, the last open; with a first open one for scores below zero only where there are such."""
    edges: list[int | None] = [None, *range(0, BANDS * BAND + 1, BAND), None]
    bands = [
        {"from": edges[place], "to": edges[place + 1], "before": int(before[place]), "after": int(after[place])}
        for place in range(BANDS + 2)
    ]
    return bands if before[0] or after[0] else bands[1:]
