"""The cells of a matrix from stage to stage: counted a part at a time, and stored with the contacts behind each."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from scoring.definition import STAGE_KEYS, DefinitionDocument
from scoring.engine.facts import IntArray
from scoring.models import Run, RunCell

EXAMPLES = 20

# Places in STAGE_KEYS.
KeyPlaces = npt.NDArray[np.int64]

# Is given the cells of one part of the contacts: (origin, target, ids ascending).
Keep = Callable[[Iterable[tuple[str, str, IntArray]]], None]


@dataclass(frozen=True, slots=True)
class Moves:
    """Contacts (ascending ids) with two stages each, as places in STAGE_KEYS."""

    ids: IntArray
    origin: KeyPlaces
    target: KeyPlaces

    def cells(self) -> Iterator[tuple[str, str, IntArray]]:
        """(origin, target, ids ascending) of each cell that has contacts."""
        codes = self.origin * len(STAGE_KEYS) + self.target
        for code in np.flatnonzero(np.bincount(codes, minlength=1)).tolist():
            origin, target = divmod(code, len(STAGE_KEYS))
            yield STAGE_KEYS[origin], STAGE_KEYS[target], self.ids[codes == code]


@dataclass(slots=True)
class Matrix:
    """How many contacts each cell (origin, target) has, and the first few of them."""

    contacts: Counter[tuple[str, str]] = field(default_factory=Counter)
    examples: dict[tuple[str, str], list[int]] = field(default_factory=dict)

    def add(self, origin: str, target: str, ids: IntArray) -> None:
        """Count the contacts of a cell; parts are added in ascending order of ids."""
        self.contacts[origin, target] += len(ids)
        examples = self.examples.setdefault((origin, target), [])
        examples += ids[: EXAMPLES - len(examples)].tolist()

    def as_json(self) -> list[dict[str, Any]]:
        """The cells that have contacts, weakest origin first, then weakest target."""
        cells = sorted(self.contacts, key=lambda cell: (STAGE_KEYS.index(cell[0]), STAGE_KEYS.index(cell[1])))
        return [{"from": origin, "to": target, "contacts": self.contacts[origin, target]} for origin, target in cells]


def stages_as_json(document: DefinitionDocument) -> list[dict[str, str]]:
    """The stages that a definition uses, weakest first, as ``{"key", "label"}``."""
    return [{"key": stage.key, "label": stage.label} for stage in document.stages]


def store_cells(run: Run, cells: Iterable[tuple[str, str, IntArray]]) -> None:
    """Keep the contacts of each cell with the run: one row a cell and part, one statement."""
    RunCell.objects.bulk_create(
        RunCell(run=run, origin=origin, target=target, first_id=int(ids[0]), contact_ids=ids.tolist())
        for origin, target, ids in cells
    )


def clear_cells(run: Run) -> None:
    """Forget what an earlier attempt at the run left behind."""
    RunCell.objects.filter(run=run).delete()
