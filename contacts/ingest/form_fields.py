"""What a lead-capture form asks, and what somebody filled in as traits. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from django.utils.translation import gettext

from contacts.ingest.incoming import Refused
from contacts.ingest.traits import TEXT_COLUMNS

TYPES: Final = ("text", "tel", "select", "textarea", "checkbox")
MAX_FIELDS: Final = 30
MAX_OPTIONS: Final = 100
MAX_LABEL: Final = 200
MAX_TEXT: Final = 2_000
# Traits that a form may ask for beside attributes of the form's own; what only we can know is not among them.
TRAITS: Final[Mapping[str, str]] = {
    "first_name": "First name",
    "last_name": "Last name",
    "company": "Company",
    "job_title": "Job title",
    "phone": "Phone",
    "role": "Role",
    "country": "Country",
}
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
# Names of the form's own controls, and traits that nobody sets from outside.
_RESERVED: Final = frozenset(
    {
        "email", "consent", "owner", "stage", "scores", "source", "id", "means", "authority", "details_confirmed",
        "attributes", "extra_note", "form_stamp", "csrfmiddlewaretoken",
    }
)  # fmt: skip


class FormField(msgspec.Struct, frozen=True):
    """One thing that a form asks beside the e-mail address. ``options`` are those of a select."""

    name: str
    label: str
    type: str = "text"
    required: bool = False
    options: tuple[str, ...] = ()

    @property
    def longest(self) -> int:
        """How many characters fit."""
        return TEXT_COLUMNS.get(self.name, 255 if self.name == "company" else MAX_TEXT)


def read_fields(rows: Sequence[Mapping[str, Any]]) -> list[FormField]:
    """Return the fields of a form as they are stored.

    Raises:
        Refused: naming the row (from 0) and what is wrong: ``fields.2.name``.
    """
    if len(rows) > MAX_FIELDS:
        raise Refused("too_many", "fields", gettext("A form asks at most %(number)s things.") % {"number": MAX_FIELDS})
    fields: list[FormField] = []
    for number, row in enumerate(rows):
        field = FormField(
            name=str(row.get("name", "")).strip().lower(),
            label=str(row.get("label", "")).strip(),
            type=str(row.get("type", "text")),
            required=bool(row.get("required")),
            options=tuple(dict.fromkeys(text for option in row.get("options") or () if (text := str(option).strip()))),
        )
        _check(field, number)
        if any(field.name == other.name for other in fields):
            raise Refused(
                "duplicate", f"fields.{number}.name", gettext("“%(name)s” is asked twice.") % {"name": field.name}
            )
        fields.append(field)
    return fields


def traits_of(fields: Sequence[FormField], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was filled in as traits, still to be cleaned; a blank answer, or no tick, says nothing."""
    traits: dict[str, Any] = {}
    for field in fields:
        value = values.get(field.name)
        if field.type == "checkbox":
            if value:
                traits[field.name] = True
            continue
        text = value.strip() if isinstance(value, str) else ""
        if text:
            traits[field.name] = {"name": text} if field.name == "company" else text
    return traits


def _check(field: FormField, number: int) -> None:
    where = f"fields.{number}"
    if not _NAME.fullmatch(field.name):
        raise Refused("invalid", f"{where}.name", gettext("1 to 40 of a-z, 0-9 and _, beginning with a letter."))
    if field.name in _RESERVED:
        raise Refused(
            "reserved", f"{where}.name", gettext("“%(name)s” cannot be asked for in a form.") % {"name": field.name}
        )
    if not field.label or len(field.label) > MAX_LABEL:
        raise Refused("invalid", f"{where}.label", gettext("1 to %(number)s characters.") % {"number": MAX_LABEL})
    if field.type not in TYPES:
        raise Refused("invalid_choice", f"{where}.type", gettext("One of %(names)s.") % {"names": ", ".join(TYPES)})
    if field.type == "checkbox" and field.name in TRAITS:
        raise Refused("invalid_choice", f"{where}.type", gettext("This is a text, not a yes or no."))
    if field.type == "select" and not 1 <= len(field.options) <= MAX_OPTIONS:
        raise Refused(
            "invalid",
            f"{where}.options",
            gettext("A choice has 1 to %(number)s answers, one a line.") % {"number": MAX_OPTIONS},
        )
    if any(len(option) > field.longest for option in field.options):
        raise Refused(
            "too_long",
            f"{where}.options",
            gettext("An answer holds at most %(number)s characters.") % {"number": field.longest},
        )
