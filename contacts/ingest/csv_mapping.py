"""What the columns of a CSV file mean: the mapping document, and a row turned into facts by it. Pure.

The document (YAML, see docs/importing.md) gives every column a target; a row becomes a contact's identifiers and
traits in the shape of the events API, so that it passes the very checks a message through the API passes.
"""

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

import msgspec
from django.utils.translation import gettext

from contacts.ingest.csv import OWN_COLUMNS
from contacts.ingest.csv_escaping import unescape
from contacts.ingest.csv_values import CHOICES, ColumnType, convert

IDENTITY_TARGETS = ("id", "external_id", "email", "anonymous_id")
TRAIT_TARGETS = (
    "first_name",
    "last_name",
    "full_name",
    "phone",
    "job_title",
    "role",
    "country",
    "means",
    "authority",
    "details_confirmed",
)
COMPANY_TARGETS = ("company.name", "company.domain", "company.industry", "company.employees", "company.country")
SOURCE_TARGETS = ("source.channel", "source.direction", "source.motion", "source.campaign")
_ORIGIN_TARGETS = SOURCE_TARGETS[:3]
What = Literal["contacts", "events"]
TARGETS: dict[What, tuple[str, ...]] = {
    "contacts": (*IDENTITY_TARGETS, *TRAIT_TARGETS, *COMPANY_TARGETS, *SOURCE_TARGETS, "occurred_at"),
    "events": ("kind", "occurred_at", "message_id", *IDENTITY_TARGETS, *TRAIT_TARGETS, *COMPANY_TARGETS),
}
# Parts that have fields of one's own, by what is imported.
_FREE_PARTS: dict[What, tuple[str, ...]] = {"contacts": ("attributes",), "events": ("attributes", "properties")}
# No file says these: they follow from facts, or are a person's own word (API.md, read_only).
READ_ONLY_TARGETS = {
    "consent": "consent is given by the person, never by a file",
    "suppression": "what is suppressed stays so, whatever a file says",
    "unsubscribed": "import it as an event of this kind instead",
    "owner": "owners come from claims and assignment",
    "stage": "stages follow from the facts",
    "scores": "scores follow from the facts",
}
# Traits of these names mean something else to the API or are refused by it.
RESERVED_ATTRIBUTES = frozenset(
    (*IDENTITY_TARGETS, *TRAIT_TARGETS, "company", "owner", "consent", "stage", "scores", "source")
)

_IMPLIED_TYPES: dict[str, ColumnType] = {
    "means": "answer",
    "authority": "answer",
    "details_confirmed": "boolean",
    "company.employees": "integer",
    "company.domain": "domain",
    "occurred_at": "date",
}
_PLAIN_FIELDS = frozenset(("occurred_at", "kind", "message_id"))
_MAX_VALUE_CHARS = 8192
# Cells so short hold nothing that the limits of the API forbid.
_SURELY_PLAIN = 1_000
# Sources may use dots in names, "utm.source"; space around a header is not read.
_ATTRIBUTE_KEY = re.compile(r"[^\s\x00](?:[^\x00]{0,199}[^\s\x00])?")


class MappingError(ValueError):
    """The mapping document is wrong, or does not fit the file; the message says where."""


class RowError(ValueError):
    """A cell cannot be read as what its column means. ``column`` is the header, the message the reason."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(reason)
        self.column = column


class ColumnRule(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One column's meaning, as in the document. ``values`` is looked up without regard to case."""

    to: str
    type: ColumnType | None = None
    values: dict[str, str] = {}
    default: str = ""
    empty: list[str] = []
    fold_case: bool = False
    case: Literal["", "lower", "upper", "title"] = ""
    format: str = ""
    required: bool = False


class MappingDocument(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A mapping as people write it. ``constants`` gives targets that no column carries.

    ``event``: of contacts, the kind of event that each of them gets as well; of events, the kind of rows without one.
    """

    columns: dict[str, list[ColumnRule]]
    empty: list[str] = []
    constants: dict[str, str] = {}
    event: str = ""
    other_columns: Literal["ignore", "attributes", "properties"] = "ignore"


class RowFacts(msgspec.Struct):
    """What one row says, in the shape of the events API. ``origin`` holds channel, direction, motion, campaign."""

    contact: dict[str, str]
    traits: dict[str, Any]
    origin: dict[str, str]
    occurred_at: datetime | None = None
    kind: str = ""
    message_id: str = ""
    properties: dict[str, Any] = {}


class _BoundColumn(msgspec.Struct, frozen=True):
    """A rule bound to a place in the row."""

    index: int
    header: str
    rule: ColumnRule
    type: ColumnType
    values: dict[str, str]
    empty: frozenset[str]

    @property
    def is_plain(self) -> bool:
        """Whether a cell is taken as it is, so that one without anything odd in it needs no further look."""
        rule = self.rule
        is_ruled = rule.values or rule.default or rule.fold_case or rule.case or rule.required or self.empty
        return self.type == "text" and not is_ruled and rule.to not in CHOICES


class Mapping:
    """A mapping document bound to the header of a file: ``read_row`` turns its rows into facts."""

    def __init__(self, document: MappingDocument, header: Sequence[str], what: What = "contacts") -> None:
        self.document = document
        self.header = list(header)
        self.event = document.event
        self._columns = self._bind(document, header, what)
        self._constants = [(target, _convert_constant(target, value)) for target, value in document.constants.items()]
        self._reading = [(bound, bound.is_plain, bound.index, bound.rule.to) for bound in self._columns]
        self._spellings: dict[int, dict[str, str]] = {}
        targets = {bound.rule.to for bound in self._columns}
        if not targets.intersection(IDENTITY_TARGETS):
            raise MappingError(
                gettext("No column says who the contact is: map one to email, external_id, anonymous_id or id.")
            )
        if what == "events":
            self._check_events(targets)

    def _check_events(self, targets: set[str]) -> None:
        if "kind" not in targets and "kind" not in self.document.constants and not self.event:
            raise MappingError(gettext("No column says what happened: map one to kind, or give “event” for all rows."))
        if "occurred_at" not in targets and "occurred_at" not in self.document.constants:
            raise MappingError(
                gettext("No column says when it happened: map one to occurred_at, or give it as a constant.")
            )

    @staticmethod
    def _bind(document: MappingDocument, header: Sequence[str], what: What) -> list[_BoundColumn]:
        empty = frozenset(word.strip().casefold() for word in document.empty)
        by_name = {name: place for place, name in enumerate(header)}
        by_folded = {" ".join(name.casefold().split()): place for place, name in enumerate(header)}
        bound: list[_BoundColumn] = []
        taken = set()
        for name, rules in document.columns.items():
            place = by_name.get(name, by_folded.get(" ".join(name.casefold().split())))
            if place is None:
                near = difflib.get_close_matches(name, header, 1)
                hint = f" Did you mean {near[0]!r}?" if near else f" It has: {', '.join(header[:20])}."
                raise MappingError(f"columns: the file has no column {name!r}.{hint}")
            taken.add(place)
            bound.extend(_bind_rule(place, header[place], rule, empty, what) for rule in rules)
        if document.other_columns != "ignore":
            for place, name in enumerate(header):
                if place not in taken and not name.startswith(OWN_COLUMNS):
                    rule = ColumnRule(to=f"{document.other_columns}.{slugify_header(name)}")
                    bound.append(_bind_rule(place, name, rule, empty, what))
        return bound

    def targets(self) -> list[tuple[str, str]]:
        """Header and target of every mapped column, in the order of the document."""
        return [(bound.header, bound.rule.to) for bound in self._columns]

    @cached_property
    def sets_origin(self) -> bool:
        """Whether the mapping says where contacts came from; then a blank cell means that nobody knows."""
        return any(
            target in _ORIGIN_TARGETS for target in (*(to for _, to in self.targets()), *self.document.constants)
        )

    @property
    def needs_spellings(self) -> bool:
        """Whether some column folds case, so that the file has to be read once before (``learn_spellings``)."""
        return any(bound.rule.fold_case for bound in self._columns)

    def learn_spellings(self, rows: Iterable[Sequence[str]]) -> None:
        """Read all rows once: of spellings that differ only in case, the most frequent one stands for all.

        Equally frequent ones: the first in the order of characters, so the result does not depend on row order.
        """
        folding = [bound.index for bound in self._columns if bound.rule.fold_case]
        counts: dict[int, Counter[str]] = {index: Counter() for index in folding}
        for values in rows:
            for index in folding:
                counts[index][_tidy(values[index])] += 1
        for index, spellings in counts.items():
            best: dict[str, str] = {}
            for spelling, _ in sorted(spellings.items(), key=lambda item: (-item[1], item[0])):
                best.setdefault(spelling.casefold(), spelling)
            self._spellings[index] = best

    def read_row(self, values: Sequence[str]) -> RowFacts:
        """The facts of one row. Raises RowError naming the column of the first cell that cannot be read."""
        found: dict[str, Any] = {}
        for bound, is_plain, index, target in self._reading:
            text = values[index]
            if is_plain and text.isprintable() and len(text) <= _SURELY_PLAIN and text[:1] != "'":
                value = _tidy(text) or None
            else:
                value = self._read_cell(bound, text)
            if value is not None:
                found.setdefault(target, value)
        for target, value in self._constants:
            found.setdefault(target, value)
        facts = _arrange(found)
        if not facts.contact:
            names = [bound.header for bound in self._columns if bound.rule.to in IDENTITY_TARGETS]
            raise RowError(names[0], f"nothing says who this is: {' and '.join(names)} blank")
        return facts

    def _read_cell(self, bound: _BoundColumn, text: str) -> Any:
        if len(text) > _MAX_VALUE_CHARS:
            raise RowError(
                bound.header, f"the value has {len(text):,} characters, at most {_MAX_VALUE_CHARS:,} are kept"
            )
        if not text.isascii():
            _refuse_surrogates(bound.header, text)
        if "\0" in text:
            raise RowError(bound.header, "the value contains a NUL character")
        rule = bound.rule
        value = unescape(_tidy(text))
        folded = value.casefold()
        if not value or folded in bound.empty:
            value = ""
        elif folded in bound.values:
            value = bound.values[folded]
        elif rule.fold_case:
            value = self._spellings.get(bound.index, {}).get(folded, value)
        if not value:
            if rule.required and not rule.default:
                raise RowError(bound.header, "the value is blank, and the mapping requires one")
            value = rule.default
            if not value:
                return None
        if rule.case:
            value = getattr(value, rule.case)()
        try:
            return convert(rule.to, bound.type, value, rule.format)
        except ValueError as error:
            raise RowError(bound.header, str(error)) from None


def _arrange(found: dict[str, Any]) -> RowFacts:
    """Values by target, sorted into the parts of a message."""
    facts = RowFacts(contact={}, traits={}, origin={})
    company: dict[str, Any] = {}
    for target, value in found.items():
        head, _, tail = target.partition(".")
        if head == "attributes":
            facts.traits[tail] = value
        elif head == "properties":
            facts.properties[tail] = value
        elif head == "company":
            company[tail] = value
        elif head == "source":
            facts.origin[tail] = value
        elif target in IDENTITY_TARGETS:
            facts.contact[target] = value
        elif target in _PLAIN_FIELDS:
            setattr(facts, target, value)
        elif target != "full_name":
            facts.traits[target] = value
    if "full_name" in found:
        first, _, last = found["full_name"].rpartition(" ")
        facts.traits.setdefault("first_name", first or last)
        if first:
            facts.traits.setdefault("last_name", last)
    if company:
        facts.traits["company"] = company
    return facts


def _bind_rule(place: int, header: str, rule: ColumnRule, empty: frozenset[str], what: What) -> _BoundColumn:
    check_target(rule.to, f"columns.{header}", what)
    return _BoundColumn(
        index=place,
        header=header,
        rule=rule,
        type=rule.type or _IMPLIED_TYPES.get(rule.to, "text"),
        values={_tidy(key).casefold(): value.strip() for key, value in rule.values.items()},
        empty=empty | frozenset(word.strip().casefold() for word in rule.empty),
    )


def is_target(name: str, what: What) -> bool:
    """Whether a column may be mapped to ``name``."""
    head, _, key = name.partition(".")
    if head not in _FREE_PARTS[what]:
        return name in TARGETS[what]
    return bool(_ATTRIBUTE_KEY.fullmatch(key)) and (head == "properties" or key not in RESERVED_ATTRIBUTES)


def check_target(target: str, where: str, what: What) -> None:
    """Raise MappingError unless ``target`` is one of TARGETS, ``attributes.<key>``; of events, ``properties.<key>``."""
    if is_target(target, what):
        return
    head, _, key = target.partition(".")
    if head in READ_ONLY_TARGETS:
        raise MappingError(f"{where}: {target!r} cannot be set by a file (read_only): {READ_ONLY_TARGETS[head]}.")
    if head in _FREE_PARTS[what]:
        raise MappingError(f"{where}: {target!r} cannot be an attribute: {key or 'a blank name'} is taken or unusable.")
    near = difflib.get_close_matches(target, TARGETS[what], 1)
    hint = f"did you mean {near[0]!r}?" if near else f"use {_FREE_PARTS[what][-1]}.<name> for a field of your own."
    raise MappingError(f"{where}: unknown target {target!r}; {hint}")


def _parse_rule(column: str, item: Any) -> ColumnRule:
    if isinstance(item, str):
        return ColumnRule(to=item)
    if isinstance(item, dict):
        # YAML's own words for truth, read as text so that "Yes" may be a cell's value elsewhere.
        truths = {"yes": "true", "no": "false", "on": "true", "off": "false"}
        flags = {key: truths.get(str(item[key]).lower(), item[key]) for key in ("fold_case", "required") if key in item}
        item = item | flags
    try:
        return msgspec.convert(item, ColumnRule, strict=False)
    except msgspec.ValidationError as error:
        raise MappingError(f"columns.{column}: {error}") from None


def parse_mapping(document: Any, what: What = "contacts") -> MappingDocument:
    """The mapping from plain data, as YAML gives it when every scalar is read as text.

    A column's entry may be a target, a rule, a list of these, or ``ignore``. Raises MappingError with the place.
    """
    if not isinstance(document, dict) or not isinstance(document.get("columns"), dict):
        raise MappingError("The mapping must be a YAML mapping with a 'columns' section.")
    columns: dict[str, list[ColumnRule]] = {}
    for name, entry in document["columns"].items():
        entries = entry if isinstance(entry, list) else [entry]
        columns[name] = [_parse_rule(name, item) for item in entries if item not in ("", "ignore", None)]
    try:
        parsed = msgspec.convert({**document, "columns": columns}, MappingDocument, strict=False)
    except msgspec.ValidationError as error:
        raise MappingError(f"The mapping is wrong: {error}") from None
    for name, rules in parsed.columns.items():
        for rule in rules:
            check_target(rule.to, f"columns.{name}", what)
    for target in parsed.constants:
        check_target(target, "constants", what)
        if target in IDENTITY_TARGETS:
            raise MappingError(f"constants: {target!r} must come from a column, it tells contacts apart.")
    return parsed


def _convert_constant(target: str, value: str) -> Any:
    try:
        return convert(target, _IMPLIED_TYPES.get(target, "text"), value.strip(), "")
    except ValueError as error:
        raise MappingError(f"constants.{target}: {error}") from None


def _refuse_surrogates(header: str, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise RowError(header, "the value is not valid UTF-8") from None


def _tidy(text: str) -> str:
    return text.strip().strip("\ufeff\u200b").strip()


def slugify_header(name: str) -> str:
    """A header as an attribute's key: ``How did you hear?`` -> ``how_did_you_hear``."""
    slug = re.sub(r"[^\w]+", "_", name.casefold()).strip("_")[:100] or "column"
    return f"{slug}_field" if slug in RESERVED_ATTRIBUTES else slug
