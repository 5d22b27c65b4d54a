"""From the state of a definition's form to what its template repeats: fields and parts, each problem at its place."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from django.utils.translation import gettext, gettext_noop, ngettext

from config.web.formats import format_number
from scoring.forms.derived import DOCUMENT
from scoring.forms.edits import focus_after
from scoring.forms.parts import Entry, Listing, Maybe, Record, Variant
from scoring.forms.shapes import Flag, Hidden, Lines, Number, Pick, Reference, Several, Shape, State, Text, join
from scoring.forms.words import PARTS, Words, words_of
from scoring.views.editor_views import Action, FieldView, Option, PartView, Section, Vocabulary

_LONGEST_NAMED = 3

# Fields that people look for first, before the others in the order of the document.
_FIRST: Final = {
    "Signal": ("label", "points", "half_life_days", "group", "match", "count"),
    "Group": ("label", "cap", "floor_at_zero"),
    "FitRule": ("label", "points", "test"),
    "Gate": ("label", "attribute", "closed_when", "question"),
    "Qualifier": ("label", "test", "question"),
    "Stage": ("key", "label", "owner", "sla_hours", "handoff"),
}

# The page's cards, each with the parts of the document that it shows.
SECTIONS: Final = (
    (gettext_noop("About"), ("name", "description", "floor_at_zero")),
    (gettext_noop("Stages"), ("stages",)),
    (gettext_noop("Evidence"), ("evidence",)),
    (gettext_noop("Signals"), ("signals",)),
    (gettext_noop("Groups"), ("groups",)),
    (gettext_noop("Fit"), ("fit",)),
    (gettext_noop("Gates"), ("gates",)),
    (gettext_noop("Qualifiers"), ("qualifiers",)),
    (gettext_noop("Switches"), ("switches",)),
    (gettext_noop("Returns and publishing"), ("cool_down", "approval")),
    (gettext_noop("Learned score"), ("learned",)),
)


_WAYS: Final = {
    "Counting": gettext_noop("Of a contact's events count"),
    "Criterion": gettext_noop("What must hold"),
    "": gettext_noop("Test"),
}


class FormView:
    """Builds the views of one form. ``order`` is the edit that was just carried out on the part ``at``.

    ``focus`` is the attribute of the field or button to go on with: ``autofocus`` does it without a script.
    """

    def __init__(
        self,
        state: State,
        *,
        wrong: Mapping[str, str],
        vocabulary: Vocabulary,
        order: str = "",
        at: str = "",
        focus: str = "autofocus",
    ) -> None:
        self.state = state
        self.wrong = wrong
        self.vocabulary = vocabulary
        self.focus = focus
        self.fresh, self.pressed = focus_after(order, at)
        self.opened = {part for name in (*wrong, at) if name for part in _holders(name)}

    def sections(self) -> list[Section]:
        """All cards of the page; parts that are not there and cannot be added make none."""
        shapes = dict(_record(DOCUMENT).fields)
        found = []
        for short, names in SECTIONS:
            if names == ("learned",) and self.state["learned"] is None:
                continue
            title, words = gettext(short), words_of("DefinitionDocument", names[0])
            inner = [
                self._view(shapes[name], self.state[name], name, words_of("DefinitionDocument", name)) for name in names
            ]
            alone = len(inner) == 1 and isinstance(inner[0], PartView)
            if alone and isinstance(inner[0], PartView):
                inner[0].title = inner[0].help = ""
            faults = sum(name == first or name.startswith(f"{first}.") for name in self.wrong for first in names)
            found.append(
                Section(names[0], title, words.label if alone else title, words.help if alone else "", inner, faults)
            )
        return found

    def _view(self, shape: Shape, state: State, name: str, words: Words) -> FieldView | PartView:
        if isinstance(shape, Maybe):
            return self._maybe(shape, state, name, words)
        if isinstance(shape, Variant):
            return self._variant(shape, state, name, words)
        if isinstance(shape, Record):
            return self._part("group", name, words, self._fields(shape, state, name))
        if isinstance(shape, Listing):
            return self._listing(shape, state, name, words)
        return self._field(shape, state, name, words)

    def _fields(self, shape: Record, state: State, name: str) -> list[FieldView | PartView]:
        first = _FIRST.get(shape.named, ())
        fields = sorted(shape.fields, key=lambda pair: first.index(pair[0]) if pair[0] in first else len(first))
        return [
            self._view(inner, state[field], join(name, field), words_of(shape.named, field)) for field, inner in fields
        ]

    def _part(self, look: str, name: str, words: Words, inner: list[FieldView | PartView], **more: Any) -> PartView:
        return PartView(look, name, words.label, words.help, self.wrong.get(name, ""), words.note, inner=inner, **more)

    def _maybe(self, shape: Maybe, state: State, name: str, words: Words) -> PartView:
        if state is None:
            add = self._action("add", name, words.add, "plus") if shape.addable else None
            return self._part("missing", name, words, [], add=add)
        view = self._view(shape.shape, state, name, words)
        if not isinstance(view, PartView):
            raise TypeError("only parts may be missing")
        remove = self._action("remove", name, words.remove or gettext("Remove %(title)s") % {"title": words.label}, "x")
        view.actions = [*view.actions, remove]
        if isinstance(shape.shape, Variant):
            return self._part("tree", name, words, [view])
        return view

    def _listing(self, shape: Listing, state: State, name: str, words: Words) -> PartView:
        tokens = list(state)
        inner: list[FieldView | PartView] = [
            self._item(shape, state[token], join(name, token), index, len(tokens)) for index, token in enumerate(tokens)
        ]
        return self._part("list", name, words, inner, add=self._action("add", name, words.add, "plus"))

    def _item(self, listing: Listing, state: State, name: str, index: int, count: int) -> PartView:
        shape = listing.shape
        inner, body = (shape.shape, state["of"]) if isinstance(shape, Entry) else (shape, state)
        title, meta = _title(inner, state, index)
        # A mapping has no order of its own.
        ordered = not isinstance(shape, Entry)
        actions = [
            *(
                [self._action("up", name, gettext("Move %(title)s up") % {"title": title}, "up")]
                if index and ordered
                else []
            ),
            *(
                [self._action("down", name, gettext("Move %(title)s down") % {"title": title}, "down")]
                if index < count - 1 and ordered
                else []
            ),
            self._action("remove", name, gettext("Remove %(title)s") % {"title": title}, "x"),
        ]
        if isinstance(inner, Variant) and inner.below:
            view = self._criterion(inner, body, name, Words(gettext("Criterion")))
            nested = name.count(".below.") > 0
            extra = (
                [self._action("out", name, gettext("Take it out of its group"), "out")]
                if _in_group(name) and nested
                else []
            )
            view.actions = [*view.actions, *extra, *actions]
            return view
        fields = self._entry_fields(shape, inner, body, state, name)
        boxed = not isinstance(shape, Entry) and isinstance(inner, Record) and inner.named == "Match"
        look = "box" if boxed or (isinstance(shape, Entry) and isinstance(inner, Variant | Flag)) else "item"
        view = PartView(look, name, title, wrong=self.wrong.get(name, ""), inner=fields, actions=actions, meta=meta)
        view.stage = state["key"] if isinstance(inner, Record) and inner.named == "Stage" else ""
        view.open = name in self.opened
        view.faults = sum(at.startswith(f"{name}.") for at in self.wrong)
        return view

    def _entry_fields(
        self, shape: Shape, inner: Shape, body: State, state: State, name: str
    ) -> list[FieldView | PartView]:
        if not isinstance(shape, Entry):
            return self._fields(_record(inner), body, name)
        within = join(name, "of")
        if isinstance(inner, Record):
            key = Words(gettext("Key"), gettext("Criteria refer to it by this. Empty: made from the label."))
            return [*self._fields(inner, body, within), self._field(Text(), state["key"], join(name, "key"), key)]
        label = gettext("Name") if isinstance(inner, Flag) else gettext("Property")
        first = self._field(Text(), state["key"], join(name, "key"), Words(label))
        rest = self._view(
            inner, body, within, Words(gettext("It is on") if isinstance(inner, Flag) else gettext("Test"))
        )
        return [first, *(rest.inner if isinstance(rest, PartView) else [rest])]

    def _variant(self, shape: Variant, state: State, name: str, words: Words) -> PartView:
        if shape.below:
            return self._criterion(shape, state, name, words)
        common = [
            self._view(inner, state[field], join(name, field), words_of(shape.named, field))
            for field, inner in shape.common
        ]
        if shape.named == "Counting":
            words = Words("", words.help)
        return self._part(
            "group", name, words, [*common, self._way(shape, state, name), *self._active(shape, state, name)]
        )

    def _criterion(self, shape: Variant, state: State, name: str, words: Words) -> PartView:
        inner = [self._way(shape, state, name), *_flat(self._active(shape, state, name))]
        actions = [self._action("wrap", name, gettext("Put it into a group"), "group")]
        view = PartView("criterion", name, words.label, wrong=self.wrong.get(name, ""), inner=inner, actions=actions)
        if "below" in state and shape.below:
            below = self._listing(shape.below, state["below"], join(name, "below"), words_of("Criterion", "below"))
            below.look = "below"
            if state["way"] == "not" and state["below"]:
                below.add = None
            view.inner.append(below)
        return view

    def _way(self, shape: Variant, state: State, name: str) -> FieldView:
        at = join(name, "way")
        options = [Option(way, gettext(shape.ways[way].label), way == state["way"]) for way in shape.ways]
        if state["way"] not in shape.ways:
            options.insert(0, Option("", gettext("Choose what must hold"), True))
        wrong = "" if shape.below else self.wrong.get(at, "")
        label = gettext(_WAYS.get(shape.named, _WAYS[""]))
        return FieldView("select", at, label, wrong=wrong, options=options, focus=self._focus(at), changes=True)

    def _active(self, shape: Variant, state: State, name: str) -> list[FieldView | PartView]:
        return [
            self._view(inner, state[field], join(name, field), words_of(shape.named, field))
            for field, inner in shape.active(state)
        ]

    def _field(self, shape: Shape, state: State, name: str, words: Words) -> FieldView:
        widget, chosen, value = "text", "", state
        options: tuple[Option, ...] = ()
        if isinstance(shape, Several):
            widget, value = "boxes", ""
            options = tuple(self._choices(shape, state))
            named = [option.label for option in options if option.chosen]
            chosen = _listed(named)
        elif isinstance(shape, Pick):
            widget = "select"
            options = tuple(Option(text, gettext(label), text == state) for text, (_, label) in shape.choices.items())
        elif isinstance(shape, Reference):
            widget, options = "select", tuple(self._references(shape, state))
        elif isinstance(shape, Flag):
            widget = "check"
        elif isinstance(shape, Hidden):
            widget = "hidden"
        elif isinstance(shape, Lines):
            widget = "lines"
        elif isinstance(shape, Number):
            widget = "number"
        elif isinstance(shape, Text) and (shape.long or "\n" in state):
            widget = "long"
        known = shape.known if isinstance(shape, Text) else ""
        focus = "" if widget == "hidden" else self._focus(name)
        return FieldView(
            widget, name, words.label, value, words.help, self.wrong.get(name, ""), options, chosen, known, focus
        )

    def _choices(self, shape: Several, state: State) -> Iterator[Option]:
        """What is chosen first, in its order (which a post keeps), then the others."""
        if shape.choices:
            known = {text: gettext(label) for text, label in shape.choices}
        else:
            known = dict(getattr(self.vocabulary, shape.of))
        for text in state:
            yield Option(text, known.get(text) or gettext("%(name)s (unknown here)") % {"name": text}, True)
        yield from (Option(text, label, False) for text, label in known.items() if text not in state)

    def _references(self, shape: Reference, state: State) -> Iterator[Option]:
        yield Option("", gettext(shape.none), not state)
        found = set()
        for item in self.state[shape.to].values():
            key, body = item["key"], item.get("of", item)
            if key and key not in found:
                found.add(key)
                yield Option(key, (body.get("label") if isinstance(body, dict) else "") or key, key == state)
        if state and state not in found:
            yield Option(state, gettext("%(name)s (not there)") % {"name": state}, True)

    def _action(self, verb: str, name: str, label: str, icon: str) -> Action:
        order = f"{verb}:{name}"
        return Action(order, label, icon, focus=self.focus if order == self.pressed else "")

    def _focus(self, name: str) -> str:
        """The attribute that moves the focus here where this is the first field of the part to go on with."""
        if self.fresh and (name == self.fresh or name.startswith(f"{self.fresh}.")):
            self.fresh = ""
            return self.focus
        return ""


def _listed(named: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    said = ", ".join(named[:_LONGEST_NAMED])
    more = len(named) - _LONGEST_NAMED
    if more <= 0:
        return said
    pattern = ngettext("%(names)s and %(number)s more", "%(names)s and %(number)s more", more)
    return pattern % {"names": said, "number": format_number(more)}


def _record(shape: Shape) -> Record:
    if not isinstance(shape, Record):
        raise TypeError(f"{shape!r} has no fields")
    return shape


def _flat(inner: Sequence[FieldView | PartView]) -> list[FieldView | PartView]:
    """The fields of a criterion in one row, without frames round them."""
    flat: list[FieldView | PartView] = []
    for item in inner:
        flat += _flat(item.inner) if isinstance(item, PartView) and item.look == "group" else [item]
    return flat


def _holders(name: str) -> Iterator[str]:
    segments = name.split(".")
    return (".".join(segments[: index + 1]) for index in range(len(segments)))


def _in_group(name: str) -> bool:
    """Whether a criterion stands in a group that stands in another group."""
    segments = name.split(".")
    return len(segments) > 4 and segments[-2] == "below" and segments[-4] == "below"


def place_words(state: State, name: str) -> str:
    """Where a part stands, for people: ``Signals, Form or download, Points``."""
    shape: Shape = DOCUMENT
    said: list[str] = []
    for segment in name.split("."):
        holder = shape.shape if isinstance(shape, Maybe) else shape
        try:
            shape, inner = shape.child(state, segment)
        except (KeyError, TypeError):
            break
        if isinstance(holder, Listing):
            of = shape.shape if isinstance(shape, Entry) else shape
            said.append(_title(of, inner, list(state).index(segment))[0])
        elif isinstance(holder, Record | Variant) and segment not in ("way", "below"):
            said.append(words_of(holder.named, segment).label)
        elif segment == "key":
            said.append(gettext("Name"))
        state = inner
    return ", ".join(dict.fromkeys(said))


def _title(shape: Shape, state: State, index: int) -> tuple[str, str]:
    """What a member of a list is called, and what else is said of it while it is closed."""
    body = state.get("of", state)
    label = body.get("label", "") if isinstance(body, dict) else ""
    named = shape.named if isinstance(shape, Record | Variant) else "Switch"
    title = label or state.get("key", "") or gettext(PARTS[named]) % {"number": index + 1}
    meta = ""
    if named == "Signal" and state["points"]:
        typed = {"points": state["points"], "days": state["half_life_days"]}
        if state["half_life_days"]:
            meta = gettext("%(points)s points, half-life %(days)s days") % typed
        else:
            meta = gettext("%(points)s points, never fades") % typed
    elif named == "FitRule" and state["points"]:
        meta = gettext("%(points)s points") % {"points": state["points"]}
    elif named == "Group" and state["cap"]:
        meta = gettext("at most %(points)s points") % {"points": state["cap"]}
    return title, meta
