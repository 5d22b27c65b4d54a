"""Forms of an import: the file, what its columns mean, and how it is taken in."""

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from django import forms
from django.utils.translation import gettext, gettext_lazy, gettext_noop

from contacts.ingest.csv import OWN_COLUMNS
from contacts.ingest.csv_guess import Guess
from contacts.ingest.csv_mapping import (
    COMPANY_TARGETS,
    IDENTITY_TARGETS,
    SOURCE_TARGETS,
    TRAIT_TARGETS,
    What,
    slugify_header,
)

IGNORE: Final = "ignore"
# Several rules for one column, which no single choice can say: it stays as the document has it.
AS_IT_IS: Final = "as-it-is"
_FREE_PART: Final[Mapping[What, str]] = {"contacts": "attributes", "events": "properties"}
_WORDS: Final[Mapping[str, str]] = {
    "id": gettext_noop("Ripen's own id"),
    "external_id": gettext_noop("External id"),
    "email": gettext_noop("E-mail"),
    "anonymous_id": gettext_noop("Anonymous id"),
    "first_name": gettext_noop("First name"),
    "last_name": gettext_noop("Last name"),
    "full_name": gettext_noop("Full name"),
    "phone": gettext_noop("Phone"),
    "job_title": gettext_noop("Job title"),
    "role": gettext_noop("Role"),
    "country": gettext_noop("Country"),
    "means": gettext_noop("Means"),
    "authority": gettext_noop("Authority"),
    "details_confirmed": gettext_noop("Details confirmed"),
    "company.name": gettext_noop("Company name"),
    "company.domain": gettext_noop("Company domain"),
    "company.industry": gettext_noop("Company industry"),
    "company.employees": gettext_noop("Company employees"),
    "company.country": gettext_noop("Company country"),
    "source.channel": gettext_noop("Original source: channel"),
    "source.direction": gettext_noop("Original source: direction"),
    "source.motion": gettext_noop("Original source: motion"),
    "source.campaign": gettext_noop("Original source: campaign"),
    "occurred_at": gettext_noop("When it was so"),
    "kind": gettext_noop("What happened (kind)"),
    "message_id": gettext_noop("Message id"),
}
_ORDER: Final[Mapping[str, int]] = {target: place for place, target in enumerate(_WORDS)}
_TYPES: Final = (
    ("", gettext_lazy("Automatic")),
    ("text", gettext_lazy("Text")),
    ("integer", gettext_lazy("Whole number")),
    ("number", gettext_lazy("Number")),
    ("boolean", gettext_lazy("Yes or no")),
    ("date", gettext_lazy("Date")),
)
# From here on a guess is called sure, likely or unsure.
_SURE: Final = 0.9
_LIKELY: Final = 0.6


class UploadForm(forms.Form):
    """A file to be imported."""

    WHAT: ClassVar = (("contacts", gettext_lazy("Contacts")), ("events", gettext_lazy("Events")))

    what = forms.ChoiceField(
        label=gettext_lazy("What each row is"), choices=WHAT, widget=forms.RadioSelect, initial="contacts"
    )
    file = forms.FileField(
        label=gettext_lazy("File"),
        widget=forms.ClearableFileInput(attrs={"accept": ".csv,.tsv,.txt,.jsonl,.ndjson,text/csv,text/plain"}),
        help_text=gettext_lazy(
            "CSV with a header line, whatever its encoding and delimiter; of events also JSON lines."
        ),
    )


@dataclass(frozen=True, slots=True)
class ColumnRow:
    """A column of the file beside the controls that say what it means; ``surety`` is a word and its tone, or None."""

    column: str
    samples: tuple[str, ...]
    surety: tuple[str, str] | None
    target: forms.BoundField
    kind: forms.BoundField


class MappingForm(forms.Form):
    """What each column means. Whatever else the document says of a column (values, defaults, formats) is kept."""

    event = forms.ChoiceField(label=gettext_lazy("Also record that this happened to each contact"), required=False)
    channel = forms.CharField(
        label=gettext_lazy("Where these contacts came from"),
        max_length=100,
        required=False,
        help_text=gettext_lazy("Their original source where none is known, such as “trade show”. Blank: CSV import."),
    )
    empty = forms.CharField(
        label=gettext_lazy("Words that mean nothing"),
        max_length=500,
        required=False,
        help_text=gettext_lazy("Separated by commas, such as “n/a, Select”. Blank cells always say nothing."),
    )

    def __init__(
        self,
        data: Any = None,
        *,
        what: What,
        document: Mapping[str, Any],
        header: Sequence[str],
        kinds: Iterable[str],
    ) -> None:
        """Lay out a control for each column of ``header`` as ``document`` maps it now.

        ``kinds``: the names of event kinds that may be imported.
        """
        self._what = what
        self._document = copy.deepcopy(dict(document))
        self._header = list(header)
        rules = self._document.get("columns", {})
        constants = self._document.get("constants", {})
        initial = {
            "event": self._document.get("event", ""),
            "channel": constants.get("source.channel", ""),
            "empty": ", ".join(self._document.get("empty", [])),
        }
        super().__init__(data, initial=initial)
        self._lay_out_event(what, kinds)
        for place, name in enumerate(self._header):
            own = rules.get(name, [])
            self.fields[f"target-{place}"] = forms.ChoiceField(
                label=gettext("What “%(column)s” means") % {"column": name},
                choices=_choices(what, name, own),
                initial=_initial(own) or self._otherwise(name),
            )
            self.fields[f"type-{place}"] = forms.ChoiceField(
                label=gettext("How “%(column)s” is read") % {"column": name},
                choices=_types(own),
                required=False,
                initial=(own[0].get("type") or "") if len(own) == 1 else "",
            )

    def _lay_out_event(self, what: What, kinds: Iterable[str]) -> None:
        event = self.fields["event"]
        assert isinstance(event, forms.ChoiceField)  # noqa: S101  declared above
        event.choices = [
            ("", gettext("Nothing") if what == "contacts" else gettext("Each row says so itself")),
            *((k, k) for k in kinds),
        ]
        if what == "events":
            event.label = gettext("What happened, where a row does not say")
            del self.fields["channel"]
        if self._document.get("event") and self._document["event"] not in dict(event.choices):
            event.choices = [*event.choices, (self._document["event"], self._document["event"])]

    def _otherwise(self, column: str) -> str:
        """What becomes of a column that the document does not name."""
        others = self._document.get("other_columns", "ignore")
        return IGNORE if others == "ignore" or column.startswith(OWN_COLUMNS) else f"{others}.{slugify_header(column)}"

    def rows(self, guesses: Iterable[Guess], samples: Sequence[Sequence[str]], *, guessed: bool) -> list[ColumnRow]:
        """Return the columns as the page shows them. ``guessed``: nobody has settled the mapping yet."""
        sureties = {guess.column: _surety(guess.confidence) for guess in guesses} if guessed else {}
        return [
            ColumnRow(
                column=name,
                samples=tuple(dict.fromkeys(row[place].strip() for row in samples if row[place].strip()))[:3],
                surety=sureties.get(name),
                target=self[f"target-{place}"],
                kind=self[f"type-{place}"],
            )
            for place, name in enumerate(self._header)
        ]

    def document(self) -> dict[str, Any]:
        """Return the mapping document that the valid form amounts to, as plain data."""
        data = self.cleaned_data
        known = self._document.get("columns", {})
        columns: dict[str, list[dict[str, Any]]] = {}
        for place, name in enumerate(self._header):
            target, kind = data[f"target-{place}"], data[f"type-{place}"]
            own = known.get(name, [])
            if target == AS_IT_IS:
                columns[name] = own
            elif target != IGNORE:
                kept = own[0] if len(own) == 1 and own[0]["to"] == target else {}
                rule = {key: value for key, value in kept.items() if key not in {"to", "type"}}
                columns[name] = [{**rule, "to": target, **({"type": kind} if kind else {})}]
        constants = dict(self._document.get("constants", {}))
        if "channel" in data:
            constants.pop("source.channel", None)
            if data["channel"].strip():
                constants["source.channel"] = data["channel"].strip()
        empty = [word.strip() for word in data["empty"].split(",") if word.strip()]
        return {
            **self._document,
            "columns": columns,
            "constants": constants,
            "event": data["event"],
            "empty": empty,
            # Every column has a control of its own here.
            "other_columns": "ignore",
        }


class ModeForm(forms.Form):
    """What becomes of contacts that are known, and of those that are not."""

    MODES: ClassVar = (
        ("upsert", gettext_lazy("Create new ones and update known ones")),
        ("add", gettext_lazy("Only create new ones")),
        ("update", gettext_lazy("Only update known ones")),
    )

    mode = forms.ChoiceField(label=gettext_lazy("What to do"), choices=MODES, initial="upsert")


def target_words(target: str) -> str:
    """Return what people call a target of the mapping."""
    part, _, name = target.partition(".")
    if target in _WORDS:
        return gettext(_WORDS[target])
    return gettext("Own field: %(name)s") % {"name": name} if part in _FREE_PART.values() else target


def change_words(name: str) -> tuple[int, str]:
    """Return where a field that a row changes stands among others, and what people call it."""
    part, _, own = name.partition(".")
    if name == "company":
        return _ORDER["company.name"], gettext("Company")
    words = gettext(_WORDS[name]) if name in _WORDS else own if part in _FREE_PART.values() else name
    return _ORDER.get(name, len(_ORDER)), words


def _choices(what: What, header: str, own: Sequence[Mapping[str, Any]]) -> list[Any]:
    """The targets in groups. A field of one's own is offered under the header's name, or as it is mapped now."""
    free = dict.fromkeys([f"{_FREE_PART[what]}.{slugify_header(header)}"])
    if len(own) == 1 and own[0]["to"].partition(".")[0] in _FREE_PART.values():
        free = dict.fromkeys([own[0]["to"], *free])
    groups: list[tuple[str, Iterable[str]]] = [(gettext("Who it is"), IDENTITY_TARGETS)]
    if what == "events":
        groups.append((gettext("What happened"), ("kind", "occurred_at", "message_id")))
    groups.append((gettext("The person"), TRAIT_TARGETS))
    groups.append((gettext("Their company"), COMPANY_TARGETS))
    if what == "contacts":
        groups += [(gettext("Where they came from"), SOURCE_TARGETS), (gettext("When"), ("occurred_at",))]
    several = (
        [(AS_IT_IS, gettext("As it is: %(fields)s") % {"fields": ", ".join(target_words(rule["to"]) for rule in own)})]
        if len(own) > 1
        else []
    )
    return [
        *several,
        (IGNORE, gettext("Leave it out")),
        (gettext("A field of your own"), [(target, target_words(target)) for target in free]),
        *((title, [(target, target_words(target)) for target in targets]) for title, targets in groups),
    ]


def _types(own: Sequence[Mapping[str, Any]]) -> list[tuple[str, Any]]:
    known = dict(_TYPES)
    kept = (own[0].get("type") or "") if len(own) == 1 else ""
    return list(_TYPES) if kept in known else [*_TYPES, (kept, kept.capitalize())]


def _initial(own: Sequence[Mapping[str, Any]]) -> str:
    if not own:
        return ""
    return str(own[0]["to"]) if len(own) == 1 else AS_IT_IS


def _surety(confidence: float) -> tuple[str, str]:
    if confidence >= _SURE:
        return gettext("sure"), "good"
    if confidence >= _LIKELY:
        return gettext("likely"), "note"
    return (gettext("unsure"), "warn") if confidence else (gettext("not recognised"), "")
