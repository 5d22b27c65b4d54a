"""Two definitions side by side: each contact's stage under both, each as if it had always been in force."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from django.utils import timezone
from django.utils.translation import gettext

from config.web.replica import long_reads_from_replica
from contacts.models import Contact
from contacts.services.work import Cancelled, CannotRun, Progress, Unwatched
from scoring.definition import STAGE_KEYS, DefinitionDocument, read_document
from scoring.engine import Assessor, Compiled, Timeline, compile_definition, replay
from scoring.engine.facts import IntArray
from scoring.matching import load_kinds
from scoring.models import Run
from scoring.moments import to_micros
from scoring.selectors import load_facts
from scoring.services.cells import Keep, Matrix, Moves, clear_cells, stages_as_json, store_cells
from scoring.services.ranges import contact_ranges
from scoring.services.snapshots import open_snapshot


@dataclass(slots=True)
class Comparison:
    """Where two definitions put every contact at ``at``.

    ``matrix``: how many stand at one stage under the first and at another under the second; ``agree`` counts those
    at the same stage (by its key) under both.
    """

    at: datetime
    first: str
    second: str
    first_stages: list[dict[str, str]]
    second_stages: list[dict[str, str]]
    contacts: int = 0
    agree: int = 0
    cells: Matrix = field(default_factory=Matrix)

    @property
    def agreement(self) -> float:
        """The share of the contacts that stand at the same stage under both; 1 where there are no contacts."""
        return self.agree / self.contacts if self.contacts else 1.0

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa: agreement beyond what the two would reach by chance, 1 at most, 0 for no better than chance.

        (p_o - p_e) / (1 - p_e), where p_o is the agreement and p_e the sum over all stages of the product of the
        shares that each definition gives it (Cohen, J., "A coefficient of agreement for nominal scales", Educational
        and Psychological Measurement 20 (1960), 37-46). None where it is not defined: all contacts at one stage.
        """
        if not self.contacts:
            return None
        rows = dict.fromkeys(STAGE_KEYS, 0)
        columns = dict.fromkeys(STAGE_KEYS, 0)
        for (first, second), number in self.cells.contacts.items():
            rows[first] += number
            columns[second] += number
        # In whole numbers, so that perfect agreement is exactly 1.
        by_chance = sum(rows[key] * columns[key] for key in STAGE_KEYS)
        everything = self.contacts * self.contacts
        if by_chance == everything:
            return None
        return (self.agree * self.contacts - by_chance) / (everything - by_chance)

    def as_json(self) -> dict[str, Any]:
        """The result of a run, see docs/what-if.md."""
        return {
            "at": self.at.isoformat(),
            "first": self.first,
            "second": self.second,
            "contacts": self.contacts,
            "agree": self.agree,
            "agreement": round(self.agreement, 6),
            "kappa": None if self.kappa is None else round(self.kappa, 6),
            "stages": {"from": self.first_stages, "to": self.second_stages},
            "matrix": self.cells.as_json(),
        }


def compare(
    first: DefinitionDocument,
    second: DefinitionDocument,
    *,
    now: datetime,
    progress: Progress | None = None,
    connections: int = 1,
    chunk: int = 5_000,
    versions: tuple[str, str] = ("", ""),
    keep: Keep | None = None,
) -> Comparison:
    """Judge every contact at ``now`` under both definitions, each replayed as if it had always been in force.

    Reads only, in one snapshot, on so many ``connections`` besides the caller's, ``chunk`` ids at a time; inside a
    transaction of the caller what that sees. ``keep`` is given the cells of each part, the stage under the first
    definition as origin, that under the second as target; ``versions`` names the two.

    Raises:
        Cancelled: by ``progress``; nothing is left behind.
    """
    progress = progress or Unwatched()
    with open_snapshot(connections) as snapshot:
        kinds = snapshot.call(load_kinds)
        both = [
            compile_definition(document, kinds, version=version or f"{document.key}@draft")
            for document, version in zip((first, second), versions, strict=True)
        ]
        progress.begin(snapshot.call(Contact.objects.filter(present=True).count))
        found = Comparison(
            at=now,
            first=both[0].version,
            second=both[1].version,
            first_stages=stages_as_json(first),
            second_stages=stages_as_json(second),
        )
        ranges = snapshot.call(lambda: list(contact_ranges(chunk)))
        for moves in snapshot.map(lambda bounds: _judge_both(both, now, *bounds), ranges):
            cells = list(moves.cells())
            for origin, target, ids in cells:
                found.contacts += len(ids)
                found.agree += len(ids) if origin == target else 0
                found.cells.add(origin, target, ids)
            if keep is not None:
                keep(cells)
            progress.advance(len(moves.ids))
    return found


@long_reads_from_replica
def run_compare(run: Run, progress: Progress) -> dict[str, Any]:
    """Do the run: compare its document as it was ordered with the other definition as it is now; returns the result.

    Raises:
        CannotRun: the run names no other definition.
    """
    if run.other is None:
        raise CannotRun(gettext("A comparison needs a second definition."))
    clear_cells(run)
    try:
        return compare(
            read_document(run.document),
            read_document(run.other.document),
            now=timezone.now(),
            progress=progress,
            versions=(f"{run.definition.key}@{run.definition.version}", f"{run.other.key}@{run.other.version}"),
            keep=lambda cells: store_cells(run, cells),
        ).as_json()
    except Cancelled:
        clear_cells(run)
        raise


def _judge_both(both: list[Compiled], at: datetime, first: int, last: int) -> Moves:
    people = Contact.objects.filter(id__gte=first, id__lte=last, present=True).order_by("id")
    ids = np.array(list(people.values_list("id", flat=True)), dtype=np.int64)
    if not len(ids):
        return Moves(ids, ids, ids)
    origin, target = (_stages(compiled, ids, at) for compiled in both)
    # Nobody was known yet whose first moment is later than this one.
    known = (origin >= 0) & (target >= 0)
    return Moves(ids[known], origin[known], target[known])


def _stages(compiled: Compiled, ids: IntArray, at: datetime) -> IntArray:
    """The stage of each contact as its place in STAGE_KEYS; -1 for nobody known yet."""
    facts = load_facts(ids, compiled, Assessor(compiled.document), until=at)
    timeline = Timeline.start(len(ids))
    replay(compiled, facts, timeline, until=np.full(len(ids), to_micros(at), dtype=np.int64))
    places = np.array([STAGE_KEYS.index(stage.key) for stage in compiled.document.stages] + [-1], dtype=np.int64)
    return places[timeline.stage]
