"""What the editor's templates repeat: fields, parts that hold them, the buttons that edit parts, the page's cards."""

from collections.abc import Sequence
from dataclasses import dataclass, field

# So many choices are looked over at a glance; more get a search.
_SEARCHED = 8


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What fields offer besides free text: (text, label) pairs, and names of attributes."""

    kinds: Sequence[tuple[str, str]]
    sources: Sequence[tuple[str, str]]
    attributes: Sequence[str]


@dataclass(frozen=True, slots=True)
class Option:
    """Something to choose."""

    value: str
    label: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Action:
    """A button that posts an edit of the form; ``icon`` names a symbol of the page's sprite."""

    order: str
    label: str
    icon: str = ""
    focus: str = ""


@dataclass(frozen=True, slots=True)
class FieldView:
    """One field. ``widget``: text, long, lines, number, select, check, boxes or hidden."""

    widget: str
    name: str
    label: str
    value: str = ""
    help: str = ""
    wrong: str = ""
    options: Sequence[Option] = ()
    chosen: str = ""
    known: str = ""
    focus: str = ""
    changes: bool = False
    is_part: bool = False

    @property
    def is_long_list(self) -> bool:
        """Whether there is so much to choose that a search helps."""
        return len(self.options) > _SEARCHED

    @property
    def is_wide(self) -> bool:
        """Whether people write words into it."""
        return self.name.rpartition(".")[2] in ("name", "label", "question")

    @property
    def owner(self) -> str:
        """The name of the part that it is a field of."""
        return self.name.rpartition(".")[0]

    @property
    def described_by(self) -> str:
        """Ids of what is said about the field."""
        return " ".join(f"f-{self.name}-{mark}" for mark, said in (("h", self.help), ("e", True)) if said)


@dataclass(slots=True)
class PartView:
    """A part with fields and parts. ``look``: group, list, item, box, criterion or missing."""

    look: str
    name: str
    title: str = ""
    help: str = ""
    wrong: str = ""
    note: str = ""
    stage: str = ""
    meta: str = ""
    inner: list["FieldView | PartView"] = field(default_factory=list)
    actions: Sequence[Action] = ()
    add: Action | None = None
    open: bool = False
    faults: int = 0
    is_part: bool = True


@dataclass(frozen=True, slots=True)
class Section:
    """A card of the page; ``short`` is its name in the list of links."""

    anchor: str
    short: str
    title: str
    help: str
    inner: Sequence[FieldView | PartView]
    faults: int
