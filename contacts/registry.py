"""What other apps lend to the facts app, which imports none of them; each registers in its `AppConfig.ready`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class DefinitionInForce:
    """The names under which stages are shown. ``version`` is ``key@version``, ``labels`` by stage key."""

    version: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    def label(self, stage: str) -> str:
        """Return the label of a stage; its key where the definition does not use it."""
        return self.labels.get(stage) or stage.replace("_", " ").capitalize()


@dataclass(frozen=True, slots=True)
class Merging:
    """A merge, or its undoing, that is under way; both contacts are locked, the transaction is open.

    ``winner_id`` is where the rows of both are, or were, together: when an undone merge's winner has become part of yet
    another contact, that one. ``members``: the loser and all who had become part of it, whose rows (by
    ``origin_contact_id``) go with it.
    """

    merge_id: int
    winner_id: int
    loser_id: int
    members: tuple[int, ...]
    now: datetime


@dataclass(frozen=True, slots=True)
class Erasing:
    """An erasure that is under way; the contacts are locked, the transaction is open.

    ``contact_ids``: the person's contact and all that had become part of it. Rows that stay (transitions, dates) move
    to ``husk_id``, without anything that says who it was; all others go.
    """

    husk_id: int
    contact_ids: tuple[int, ...]
    now: datetime


@dataclass(frozen=True, slots=True)
class Handlers:
    """What an app does with its own rows when contacts merge, part again or are erased, and what it tells of a person.

    ``export`` returns JSON-ready lists of rows by name, of the contacts with these ids.
    """

    merge: Callable[[Merging], None]
    part: Callable[[Merging], None]
    erase: Callable[[Erasing], None]
    export: Callable[[Sequence[int]], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Foresight:
    """What the judgement app sees coming.

    ``falling`` (now, most): ids of contacts that will stand at a weaker stage within a week if nothing happens, among
    the ``most`` that are looked at again first, and whether more are looked at within the week. ``ripening``: by stage,
    from how much engagement (thousandths of a point) up to, and without, how much a contact is close to a stronger one.
    """

    falling: Callable[[datetime, int], tuple[Sequence[int], bool]]
    ripening: Callable[[], Mapping[str, tuple[int, int]]]


_foresights: list[Foresight] = []
_providers: list[Callable[[], DefinitionInForce]] = []
_handlers: dict[str, Handlers] = {}


def register_definition(provider: Callable[[], DefinitionInForce]) -> None:
    """Let ``provider`` tell which definition is in force."""
    _providers[:] = [provider]


def definition_in_force() -> DefinitionInForce:
    """Return the definition in force; an empty one where no judgement app is installed."""
    return _providers[0]() if _providers else DefinitionInForce()


def register_foresight(provider: Foresight) -> None:
    """Let ``provider`` tell what is coming."""
    _foresights[:] = [provider]


def foresight() -> Foresight:
    """Return what sees ahead; without a judgement app nobody falls or ripens."""
    return _foresights[0] if _foresights else Foresight(lambda _now, _most: ((), False), dict)


def register_handlers(app: str, handlers: Handlers) -> None:
    """Let an app look after its own rows of contacts."""
    _handlers[app] = handlers


def handlers() -> Sequence[Handlers]:
    """Return the handlers of all apps, in the order of their names."""
    return [_handlers[app] for app in sorted(_handlers)]
