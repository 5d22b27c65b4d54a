"""Parts with fields of their own: records, lists, mappings, and parts that come in several ways."""

# What a method means is said once, in Shape and Leaf.
# ruff: noqa: D102

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext, gettext_noop

from scoring.forms.shapes import LEFT_OUT, Number, Posted, Shape, State, Text, Wrong, join, step, token_of

_CHOOSE = gettext_noop("choose one of the list")


@dataclass(frozen=True)
class Record(Shape):
    """A part with fields, in the order of the form; ``named`` after the struct.

    Fields of ``defaults`` are left out of the document where they hold just that, or nothing.
    """

    named: str
    fields: tuple[tuple[str, Shape], ...]
    defaults: Mapping[str, Any] = field(default_factory=dict)

    def blank(self) -> State:
        # A number that has a usual value begins with it.
        return {
            name: shape.show(self.defaults.get(name)) if isinstance(shape, Number) else shape.blank()
            for name, shape in self.fields
        }

    def show(self, value: Any) -> State:
        return {name: shape.show(getattr(value, name)) for name, shape in self.fields}

    def read(self, posted: Posted) -> State:
        return {name: shape.read(posted.part(name)) for name, shape in self.fields}

    def plain(self, state: State, name: str, wrong: list[Wrong]) -> Any:
        values = ((inner, shape.plain(state[inner], join(name, inner), wrong)) for inner, shape in self.fields)
        return {
            inner: value
            for inner, value in values
            if value is not LEFT_OUT and not (inner in self.defaults and value in (self.defaults[inner], {}, []))
        }

    def pairs(self, state: State, name: str) -> Iterator[tuple[str, str]]:
        for inner, shape in self.fields:
            yield from shape.pairs(state[inner], join(name, inner))

    def find(self, state: State, name: str, path: str) -> str:
        token, rest = step(path)
        shape = dict(self.fields).get(token)
        return shape.find(state[token], join(name, token), rest) if shape else name

    def child(self, state: State, segment: str) -> tuple[Shape, State]:
        return dict(self.fields)[segment], state[segment]


@dataclass(frozen=True)
class Maybe(Shape):
    """A part that may be missing. ``addable``: people may add one."""

    shape: Shape
    addable: bool = True

    def blank(self) -> State:
        return None

    def show(self, value: Any) -> State:
        return None if value is None else self.shape.show(value)

    def read(self, posted: Posted) -> State:
        return self.shape.read(posted) if posted.there else None

    def plain(self, state: State, name: str, wrong: list[Wrong]) -> Any:
        return LEFT_OUT if state is None else self.shape.plain(state, name, wrong)

    def pairs(self, state: State, name: str) -> Iterator[tuple[str, str]]:
        if state is not None:
            yield from self.shape.pairs(state, name)

    def find(self, state: State, name: str, path: str) -> str:
        return name if state is None else self.shape.find(state, name, path)

    def child(self, state: State, segment: str) -> tuple[Shape, State]:
        if state is None:
            raise KeyError(segment)
        return self.shape.child(state, segment)


@dataclass(eq=False)
class Listing(Shape):
    """Parts in an order, each under its token."""

    shape: Shape

    def blank(self) -> State:
        return {}

    def show(self, value: Any) -> State:
        return {str(index): self.shape.show(item) for index, item in enumerate(value)}

    def read(self, posted: Posted) -> State:
        tokens = [token for token in posted.below if token_of(token)]
        return {token: self.shape.read(posted.part(token)) for token in tokens}

    def plain(self, state: State, name: str, wrong: list[Wrong]) -> Any:
        return [self.shape.plain(item, join(name, token), wrong) for token, item in state.items()]

    def pairs(self, state: State, name: str) -> Iterator[tuple[str, str]]:
        for token, item in state.items():
            yield from self.shape.pairs(item, join(name, token))

    def find(self, state: State, name: str, path: str) -> str:
        number, rest = step(path)
        tokens = list(state)
        if not number.isdecimal() or int(number) >= len(tokens):
            return name
        token = tokens[int(number)]
        return self.shape.find(state[token], join(name, token), rest)

    def child(self, state: State, segment: str) -> tuple[Shape, State]:
        return self.shape, state[segment]


@dataclass(frozen=True)
class Entry(Shape):
    """A part of a mapping with the key it has there."""

    shape: Shape

    def blank(self) -> State:
        return {"key": "", "of": self.shape.blank()}

    def show(self, value: Any) -> State:
        key, item = value
        return {"key": key, "of": self.shape.show(item)}

    def read(self, posted: Posted) -> State:
        return {"key": posted.part("key").text(), "of": self.shape.read(posted.part("of"))}

    def plain(self, state: State, name: str, wrong: list[Wrong]) -> Any:
        if not state["key"].strip():
            wrong.append(Wrong(join(name, "key"), gettext("needs a name")))
        return state["key"], self.shape.plain(state["of"], join(name, "of"), wrong)

    def pairs(self, state: State, name: str) -> Iterator[tuple[str, str]]:
        yield join(name, "key"), state["key"]
        yield from self.shape.pairs(state["of"], join(name, "of"))

    def find(self, state: State, name: str, path: str) -> str:
        return self.shape.find(state["of"], join(name, "of"), path) if path else name

    def child(self, state: State, segment: str) -> tuple[Shape, State]:
        return (Text(), state["key"]) if segment == "key" else (self.shape, {"of": state["of"]}[segment])


@dataclass(eq=False)
class Keyed(Listing):
    """Parts by key, shown as a list whose members say their key."""

    def show(self, value: Any) -> State:
        return super().show(value.items())

    def plain(self, state: State, name: str, wrong: list[Wrong]) -> Any:
        found: dict[str, Any] = {}
        for token, item in state.items():
            key, value = self.shape.plain(item, join(name, token), wrong)
            if key in found and key:
                said = gettext("%(name)s is used twice; keys must be unique") % {"name": repr(key)}
                wrong.append(Wrong(join(join(name, token), "key"), said))
            found[key] = {} if value is LEFT_OUT else value
        return found

    def find(self, state: State, name: str, path: str) -> str:
        # A key may hold dots and brackets, so the longest that fits is meant.
        spelled = [(f"{form}{end}", token) for token, item in state.items() for form, end in _spellings(item["key"])]
        for text, token in sorted(spelled, key=lambda pair: -len(pair[0])):
            if path.startswith(text):
                return self.shape.find(state[token], join(name, token), path[len(text) :])
        return name


def _spellings(key: str) -> tuple[tuple[str, str], ...]:
    return ((f".{key}", ""), (f"[{key}", "]"), (f"[{key!r}", "]"))


@dataclass(frozen=True)
class Way:
    """One of the ways that a part can be: the fields it then has, or the constants that make it so.

    A ``branch`` has parts of the same sort below it.
    """

    label: str
    fields: tuple[str, ...] = ()
    constants: Mapping[str, Any] = field(default_factory=dict)
    branch: bool = False


@dataclass(eq=False)
class Variant(Shape):
    """A part of which exactly one of several ways is given; the state says which by ``way``.

    ``common`` fields belong to every way, ``shapes`` are those of all ways, ``defaults`` their values where a document
    leaves them out. ``unset``: what to say while no way is chosen; where it is empty the first way is the normal one.
    """

    named: str
    ways: Mapping[str, Way]
    common: tuple[tuple[str, Shape], ...]
    shapes: Mapping[str, Shape]
    defaults: Mapping[str, Any]
    unset: str = ""
    below: Listing | None = None

    def blank(self) -> State:
        way = "" if self.unset else next(iter(self.ways))
        return self._state(way, {name: shape.blank() for name, shape in self.common})

    def show(self, value: Any) -> State:
        state = self._state(
            self._way_of(value), {name: shape.show(getattr(value, name)) for name, shape in self.common}
        )
        way = self.ways.get(state["way"])
        for name in way.fields if way else ():
            state[name] = self.shapes[name].show(getattr(value, name))
        if way and way.branch and self.below:
            inner = getattr(value, _attribute(state["way"]))
            state["below"] = self.below.show(inner if isinstance(inner, tuple) else [inner])
        return state

    def read(self, posted: Posted) -> State:
        state = self._state(posted.part("way").text(), {n: shape.read(posted.part(n)) for n, shape in self.common})
        way = self.ways.get(state["way"])
        for name in way.fields if way else ():
            # A way that was only just chosen has posted nothing yet.
            if posted.part(name).there:
                state[name] = self.shapes[name].read(posted.part(name))
        if way and way.branch and self.below:
            state["below"] = self.below.read(posted.part("below"))
        # What belongs to the way that was chosen before.
        for name in (*self.shapes, "below"):
            if name not in state:
                posted.part(name).drop()
        return state

    def plain(self, state: State, name: str, wrong: list[Wrong]) -> Any:
        values: dict[str, Any] = {}
        way = self.ways.get(state["way"])
        for inner, shape in self._active(state):
            values[inner] = shape.plain(state[inner], join(name, inner), wrong)
        if way is None:
            wrong.append(Wrong(name, gettext(self.unset or _CHOOSE)))
        elif way.branch and self.below:
            children = self.below.plain(state["below"], join(name, "below"), wrong)
            values |= self._branch(state["way"], children, name, wrong)
        elif way.fields and not any(
            text.strip() for inner in way.fields for _, text in self.shapes[inner].pairs(state[inner], "")
        ):
            wrong.append(Wrong(self._first_field(way, state, name), gettext("must be filled in")))
        values |= way.constants if way else {}
        return {inner: value for inner, value in values.items() if value is not LEFT_OUT}

    def pairs(self, state: State, name: str) -> Iterator[tuple[str, str]]:
        yield join(name, "way"), state["way"]
        for inner, shape in self._active(state):
            yield from shape.pairs(state[inner], join(name, inner))
        if "below" in state and self.below:
            yield from self.below.pairs(state["below"], join(name, "below"))

    def find(self, state: State, name: str, path: str) -> str:
        token, rest = step(path)
        if "below" in state and self.below and token.rstrip("_") == state["way"]:
            if state["way"] == "not" and not rest.startswith("[0]"):
                rest = f"[0]{rest}"
            found = self.below.find(state["below"], join(name, "below"), rest)
            return name if found == join(name, "below") else found
        shape = dict(self._active(state)).get(token)
        return shape.find(state[token], join(name, token), rest) if shape else name

    def child(self, state: State, segment: str) -> tuple[Shape, State]:
        if segment == "below" and self.below and "below" in state:
            return self.below, state["below"]
        return dict(self._active(state))[segment], state[segment]

    def active(self, state: State) -> list[tuple[str, Shape]]:
        """The fields of the way that the state chose, without the common ones."""
        way = self.ways.get(state["way"])
        return [(name, self.shapes[name]) for name in (way.fields if way else ())]

    def _active(self, state: State) -> list[tuple[str, Shape]]:
        return [*self.common, *self.active(state)]

    def _state(self, way: str, common: dict[str, State]) -> State:
        chosen = self.ways.get(way)
        state: dict[str, State] = {"way": way, **common}
        state |= {name: self.shapes[name].blank() for name in (chosen.fields if chosen else ())}
        return state | ({"below": {}} if chosen and chosen.branch else {})

    def _way_of(self, value: Any) -> str:
        plainest = "" if self.unset else next(iter(self.ways))
        for name, way in self.ways.items():
            told_by = (*way.fields, *way.constants, *((_attribute(name),) if way.branch else ()))
            if any(getattr(value, inner) != self.defaults[inner] for inner in told_by):
                return name
        return plainest

    def _branch(self, way: str, children: list[Any], name: str, wrong: list[Wrong]) -> dict[str, Any]:
        if not children:
            wrong.append(Wrong(name, gettext("is empty; add at least one criterion below it")))
        if way != "not":
            return {way: children}
        if len(children) > 1:
            wrong.append(Wrong(name, gettext("takes one criterion; put several into a group of their own")))
        return {way: children[0] if children else {}}

    def _first_field(self, way: Way, state: State, name: str) -> str:
        first = way.fields[0]
        inner = join(name, first)
        return next((field for field, _ in self.shapes[first].pairs(state[first], inner)), inner)


def _attribute(way: str) -> str:
    return "not_" if way == "not" else way
