"""Adding, removing and moving parts of a form. Each edit is a word and the name of a part: ``add:signals``."""

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext

from scoring.forms.derived import DOCUMENT
from scoring.forms.parts import Keyed, Listing, Maybe, Variant
from scoring.forms.shapes import Shape, State, join
from scoring.forms.texts import key_of

# Deeper criteria nobody understands, and neither the page nor the judgement has to carry them.
MAX_CRITERIA_DEPTH = 12
MAX_FIELDS = 4_500


class CannotEdit(ValueError):
    """An edit that the form does not have, or that would make it larger than it can be."""


@dataclass(frozen=True, slots=True)
class Place:
    """A part of the form with what holds it; ``holder`` is empty for the whole."""

    name: str
    shape: Shape
    state: State
    holder: "Place | None"

    @property
    def segment(self) -> str:
        """Its name within its holder."""
        return self.name.rpartition(".")[2]


def edit(state: State, order: str) -> str:
    """Carry out an edit on the state; returns the name of the part to go on with (where the focus belongs).

    Raises:
        CannotEdit: when there is no such part or edit.
    """
    verb, _, name = order.partition(":")
    handler = _EDITS.get(verb)
    if handler is None:
        raise CannotEdit(gettext("There is no such button."))
    place = _place(state, name)
    return handler(place)


def focus_after(order: str, at: str) -> tuple[str, str]:
    """Where to go on after an edit that returned ``at``: a part (its first field), or a button."""
    verb = order.partition(":")[0]
    if verb in ("up", "down"):
        return "", order
    if verb == "remove":
        return "", f"remove:{at}" if at.rpartition(".")[2].isdecimal() else f"add:{at}"
    return (at, "") if order else ("", "")


def fill_keys(state: State) -> None:
    """Give parts without a key one made from their label, so that others can refer to them at once."""
    for name in ("signals", "groups", "gates", "qualifiers", "evidence"):
        _fill(list(state[name].values()))
    _fill(list(state["fit"]["rules"].values()))


def _fill(items: list[Any]) -> None:
    taken = {item["key"] for item in items}
    for item in items:
        made = key_of(item.get("of", item)["label"])
        if item["key"].strip() or not made:
            continue
        number, key = 1, made
        while key in taken:
            number += 1
            key = f"{made}_{number}"
        taken.add(key)
        item["key"] = key


def _place(state: State, name: str) -> Place:
    place = Place("", DOCUMENT, state, None)
    try:
        for segment in name.split("."):
            shape, inner = place.shape.child(place.state, segment)
            place = Place(join(place.name, segment), shape, inner, place)
    except (KeyError, TypeError) as error:
        raise CannotEdit(gettext("That part is not there any more.")) from error
    return place


def _add(place: Place) -> str:
    shape, holder = place.shape, place.holder
    if isinstance(shape, Maybe) and shape.addable and place.state is None and holder is not None:
        holder.state[place.segment] = fresh = shape.shape.blank()
        if isinstance(shape.shape, Variant) and shape.shape.below:
            fresh |= {"way": "all", "below": {"0": shape.shape.blank()}}
            return join(join(place.name, "below"), "0")
        return place.name
    if not isinstance(shape, Listing):
        raise CannotEdit(gettext("Nothing can be added there."))
    if place.name.split(".").count("below") > MAX_CRITERIA_DEPTH:
        raise CannotEdit(gettext("These criteria are nested too deeply; make evidence of a part of them."))
    token = str(max(map(int, place.state), default=-1) + 1)
    place.state[token] = shape.shape.blank()
    if isinstance(shape, Keyed):
        inner = place.state[token]["of"]
        if isinstance(inner, dict) and "any_of" in inner:
            inner["any_of"]["0"] = _blank_of(shape, "any_of")
    return join(place.name, token)


def _blank_of(shape: Listing, field: str) -> State:
    entry: Any = shape.shape
    return dict(entry.shape.fields)[field].shape.blank()


def _remove(place: Place) -> str:
    holder = _holder(place)
    if isinstance(place.shape, Maybe):
        holder.state[place.segment] = None
        return place.name
    if not isinstance(holder.shape, Listing):
        raise CannotEdit(gettext("That cannot be removed."))
    tokens = list(holder.state)
    at = tokens.index(place.segment)
    del holder.state[place.segment]
    tokens.remove(place.segment)
    return join(holder.name, tokens[min(at, len(tokens) - 1)]) if tokens else holder.name


def _move(place: Place, by: int) -> str:
    holder = _holder(place)
    if not isinstance(holder.shape, Listing):
        raise CannotEdit(gettext("That cannot be moved."))
    tokens = list(holder.state)
    at = tokens.index(place.segment)
    to = min(max(at + by, 0), len(tokens) - 1)
    tokens.insert(to, tokens.pop(at))
    _reorder(holder.state, tokens)
    return place.name


def _up(place: Place) -> str:
    return _move(place, -1)


def _down(place: Place) -> str:
    return _move(place, 1)


def _wrap(place: Place) -> str:
    """Put a criterion into a group of its own, to which others can be added."""
    holder = _holder(place)
    if not _is_criterion(place) or place.state is None:
        raise CannotEdit(gettext("Only a criterion can be grouped."))
    if place.name.split(".").count("below") > MAX_CRITERIA_DEPTH:
        raise CannotEdit(gettext("These criteria are nested too deeply; make evidence of a part of them."))
    holder.state[place.segment] = {"way": "all", "below": {"0": place.state}}
    return place.name


def _out(place: Place) -> str:
    """Take a criterion out of its group and put it after that."""
    listing = _holder(place)
    group = _holder(listing)
    around = _holder(group)
    if not _is_criterion(place) or not isinstance(around.shape, Listing):
        raise CannotEdit(gettext("This criterion stands in no group that it could leave."))
    del listing.state[place.segment]
    token = str(max(map(int, around.state)) + 1)
    tokens = list(around.state)
    tokens.insert(tokens.index(group.segment) + 1, token)
    around.state[token] = place.state
    _reorder(around.state, tokens)
    return join(around.name, token)


def _change(place: Place) -> str:
    """Only show the fields that the choice just made has."""
    return place.name


def _holder(place: Place) -> Place:
    if place.holder is None:
        raise CannotEdit(gettext("That part stands alone."))
    return place.holder


def _is_criterion(place: Place) -> bool:
    shape = place.shape.shape if isinstance(place.shape, Maybe) else place.shape
    return isinstance(shape, Variant) and shape.below is not None


def _reorder(state: dict[str, Any], tokens: list[str]) -> None:
    items = [(token, state[token]) for token in tokens]
    state.clear()
    state.update(items)


_EDITS = {
    "add": _add, "remove": _remove, "up": _up, "down": _down, "wrap": _wrap, "out": _out, "change": _change,
}  # fmt: skip
