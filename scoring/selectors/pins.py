"""The pin of a contact as it is shown: under the definition's stages, and never through a closed gate."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from contacts.selectors.pins import Pin, pins_in_force
from scoring.definition import Criterion, DefinitionDocument, Stage
from scoring.engine import Assessor
from scoring.engine.profile import closes
from scoring.selectors.histories import profile_values


@dataclass(frozen=True, slots=True)
class ShownPin:
    """A pin that holds, with the stage of the definition that it means.

    ``closed``: labels of the stage's gates that are closed; while there is one, the judged stage is shown.
    """

    pin: Pin
    stage: Stage
    closed: tuple[str, ...]

    @property
    def is_shown(self) -> bool:
        """Whether the pin's stage is the one that people see."""
        return not self.closed


def shown_pin(contact_id: int, document: DefinitionDocument, *, at: datetime) -> ShownPin | None:
    """Return the pin that holds at ``at``; None where there is none.

    One query, and those of the contact's profile where it is pinned to a stage that has gates. A stage that the
    definition does not use means the next weaker one it uses.
    """
    pin = pins_in_force([contact_id], at=at).get(contact_id)
    if pin is None:
        return None
    stage = document.stage(pin.stage)
    asked = set(gates_of(stage))
    gates = [gate for gate in document.gates if gate.key in asked]
    values = profile_values(contact_id, Assessor(document), until=at) if gates else {}
    closed = tuple(gate.label for gate in gates if closes(gate, values.get(gate.attribute)))
    return ShownPin(pin, stage, closed)


def gates_of(stage: Stage) -> list[str]:
    """Return the keys of the gates that must be open to enter the stage."""
    return [] if stage.enter is None else list(dict.fromkeys(_gates(stage.enter)))


def _gates(criterion: Criterion) -> Iterator[str]:
    if criterion.gate is not None:
        yield criterion.gate
    for child in (*(criterion.all or ()), *(criterion.any or ())):
        yield from _gates(child)
