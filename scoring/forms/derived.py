"""The form of the whole definition, derived from the structs that make it up."""

from types import UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin

import msgspec
from django.utils.translation import gettext_noop
from msgspec.structs import FieldInfo

from scoring.definition.document import (
    AttributeTest,
    Counting,
    Criterion,
    DefinitionDocument,
    Learned,
    PropertyTest,
)
from scoring.forms.parts import Entry, Keyed, Listing, Maybe, Record, Variant, Way
from scoring.forms.shapes import Flag, Hidden, Lines, Number, Pick, Reference, Several, Shape, Text, Value
from scoring.forms.words import ANY, CHOICES

_RANGE: Final = ("at_least", "at_most")

_WAYS: Final[dict[type, dict[str, Way]]] = {
    Counting: {
        "every": Way(gettext_noop("every one")),
        "once": Way(gettext_noop("the first only"), constants={"once": True}),
        "once_per": Way(gettext_noop("the first for each value of a property"), ("once_per",)),
        "latest": Way(gettext_noop("the latest so many"), ("latest",)),
        "window": Way(gettext_noop("at most so many in a period"), ("at_most", "within_days")),
    },
    AttributeTest: {
        "equals": Way(gettext_noop("is exactly"), ("equals",)),
        "one_of": Way(gettext_noop("is one of"), ("one_of",)),
        "words": Way(gettext_noop("contains one of the words"), ("words",)),
        "range": Way(gettext_noop("lies between"), _RANGE),
        "known": Way(gettext_noop("is known or not"), ("known",)),
    },
    PropertyTest: {
        "equals": Way(gettext_noop("is exactly"), ("equals",)),
        "one_of": Way(gettext_noop("is one of"), ("one_of",)),
        "present": Way(gettext_noop("is given or not"), ("present",)),
        "contains": Way(gettext_noop("contains"), ("contains",)),
        "prefix": Way(gettext_noop("begins with"), ("prefix",)),
        "range": Way(gettext_noop("lies between"), _RANGE),
        "pattern": Way(gettext_noop("matches a pattern"), ("pattern",)),
    },
    Criterion: {
        "all": Way(gettext_noop("all of these hold"), branch=True),
        "any": Way(gettext_noop("any of these holds"), branch=True),
        "not": Way(gettext_noop("this does not hold"), branch=True),
        "count": Way(gettext_noop("events happened"), ("count",)),
        "engagement": Way(gettext_noop("engagement"), ("engagement",)),
        "fit": Way(gettext_noop("fit"), ("fit",)),
        "score": Way(gettext_noop("fit and engagement together"), ("score",)),
        "likelihood": Way(gettext_noop("learned likelihood (0 to 1)"), ("likelihood",)),
        "attribute": Way(gettext_noop("an attribute"), ("attribute",)),
        "gate": Way(gettext_noop("a gate is open"), ("gate",)),
        "qualifiers": Way(gettext_noop("all qualifiers are met"), constants={"qualifiers": "met"}),
        "switch": Way(gettext_noop("a switch is on"), ("switch",)),
        "origin": Way(gettext_noop("who found whom"), ("origin",)),
        "reachable": Way(gettext_noop("can be reached"), ("reachable",)),
    },
}

_FILL: Final = gettext_noop("must be filled in")
_CHOOSE: Final = gettext_noop("must be chosen")

# What the type of a field does not say.
_SPECIAL: Final[dict[str, Shape]] = {
    "Match.kinds": Several(of="kinds"),
    "Match.sources": Several(of="sources"),
    "Signal.group": Reference(to="groups", none=gettext_noop("None")),
    "Signal.half_life_days": Number(empty=0.0),
    "Signal.points": Number(needed=gettext_noop("must be a number, such as 15")),
    "Count.of": Reference(to="evidence", needed=_CHOOSE, none=gettext_noop("Choose evidence")),
    "Count.after": Reference(to="evidence", none=gettext_noop("No matter")),
    "CoolDown.lifted_by": Reference(to="evidence", none=gettext_noop("Nothing")),
    "Criterion.gate": Reference(to="gates", none=gettext_noop("Choose a gate")),
    "Criterion.switch": Reference(to="switches", none=gettext_noop("Choose a switch")),
    "Threshold.at_least": Number(needed=gettext_noop("must be a number, such as 30")),
    "AttributeTest.name": Text(needed=gettext_noop("must name an attribute"), known="attributes"),
    "Gate.attribute": Text(needed=gettext_noop("must name an attribute"), known="attributes"),
    "Gate.closed_when": Value(needed=_FILL),
    "DefinitionDocument.key": Text(),
    "DefinitionDocument.description": Text(long=True),
    "Stage.description": Text(long=True),
    "Stage.communication": Text(long=True),
    "Learned.intercept": Hidden(),
    "Learned.trained_at": Hidden(),
    "Learned.auc": Hidden(),
    "Learned.outcomes": Hidden(),
}

_criterion: list[Variant] = []


def shape_of(struct: type[msgspec.Struct]) -> Shape:
    """The form of a struct: a record of its fields, or a variant where only one of several may be given."""
    if struct is Criterion:
        return _criterion_shape()
    fields = {info.name: info for info in msgspec.structs.fields(struct)}
    shapes = {name: _field(f"{struct.__name__}.{name}", info) for name, info in fields.items()}
    ways = _WAYS.get(struct)
    if ways is None:
        defaults = {name: info.default for name, info in fields.items() if not info.required}
        return Record(struct.__name__, tuple(shapes.items()), defaults)
    return _variant(struct, ways, shapes)


def _variant(struct: type[msgspec.Struct], ways: dict[str, Way], shapes: dict[str, Shape], unset: str = "") -> Variant:
    told = {name for way in ways.values() for name in (*way.fields, *way.constants)}
    return Variant(
        named=struct.__name__,
        ways=ways,
        common=tuple((name, shape) for name, shape in shapes.items() if name not in told),
        shapes={name: shape for name, shape in shapes.items() if name in told},
        defaults={info.name: None if info.required else info.default for info in msgspec.structs.fields(struct)},
        unset=unset,
    )


def _criterion_shape() -> Variant:
    if not _criterion:
        shapes = {
            info.name: _field(f"Criterion.{info.name}", info)
            for info in msgspec.structs.fields(Criterion)
            if info.name not in ("all", "any", "not_", "qualifiers")
        }
        shape = _variant(Criterion, _WAYS[Criterion], shapes, unset=gettext_noop("choose what must hold"))
        shape.below = Listing(shape)
        _criterion.append(shape)
    return _criterion[0]


def _field(name: str, info: FieldInfo) -> Shape:
    if name in _SPECIAL:
        return _SPECIAL[name]
    options = [part for part in get_args(info.type) if part is not type(None)]
    optional = get_origin(info.type) in (Union, UnionType) and len(options) < len(get_args(info.type))
    kind = options[0] if optional and len(options) == 1 else info.type
    found = _of_type(name, kind, optional=optional, required=info.required)
    return (
        Maybe(found, addable=kind is not Learned) if _is_part(kind) and optional and "Criterion." not in name else found
    )


def _is_part(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _of_type(name: str, kind: Any, *, optional: bool, required: bool) -> Shape:
    origin, inner = get_origin(kind), get_args(kind)
    if _is_part(kind):
        return shape_of(kind)
    if origin is Literal:
        return Pick(choices=_choices(name, {text: text for text in inner}, optional=optional))
    if origin is tuple:
        return _of_tuple(name, inner[0])
    if origin is dict:
        return _of_dict(inner[1])
    if kind is bool:
        return Pick(choices=_choices(name, {"yes": True, "no": False}, optional=optional)) if optional else Flag()
    if kind in (int, float):
        return Number(whole=kind is int, needed=_FILL if required else "")
    if kind is str:
        return Text(needed=_FILL if required and name.endswith((".label", ".name")) else "")
    return Value()


def _of_tuple(name: str, item: Any) -> Shape:
    if _is_part(item):
        return Listing(shape_of(item))
    if get_origin(item) is Literal:
        return Several(choices=tuple(CHOICES[name].items()))
    return Lines(scalars=item is not str)


def _of_dict(item: Any) -> Shape:
    if item is float:
        return Hidden()
    return Keyed(Entry(Flag() if item is bool else shape_of(item)))


def _choices(name: str, values: dict[str, Any], *, optional: bool) -> dict[str, tuple[Any, str]]:
    labels = CHOICES[name]
    open_choice = {"": (None, ANY[name])} if optional and name in ANY else {}
    return open_choice | {text: (value, labels[text]) for text, value in values.items()}


DOCUMENT: Final = shape_of(DefinitionDocument)
