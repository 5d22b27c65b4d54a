"""What was typed, checked: the document it makes, and each problem at the field that caused it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import yaml
from django.utils.translation import gettext

from scoring.definition import DefinitionDocument, DefinitionError, Problem, to_builtins
from scoring.definition.files import parse_yaml
from scoring.definition.shape import shape_problems
from scoring.forms.derived import DOCUMENT
from scoring.forms.edits import MAX_FIELDS, fill_keys
from scoring.forms.shapes import Posted, State, Wrong
from scoring.services.drafts import sound_document
from scoring.wording import problem_words


class CannotRead(ValueError):
    """A post that is no form of ours, or one larger than any."""


class TooLargeForForm(ValueError):
    """A definition that the form cannot show without losing something; YAML can."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A form with what is wrong with it: ``document`` is None while it makes none, sound or not."""

    state: State
    plain: dict[str, Any]
    document: DefinitionDocument | None
    problems: Sequence[Wrong]


def show_document(document: DefinitionDocument) -> State:
    """The form of a document.

    Raises:
        TooLargeForForm: it has more fields than a form may post, or an unsound part that no form can hold.
    """
    state = DOCUMENT.show(document)
    if sum(1 for _ in DOCUMENT.pairs(state, "")) > MAX_FIELDS:
        raise TooLargeForForm(gettext("This definition has more parts than a form can show; edit it as YAML."))
    wrong: list[Wrong] = []
    plain = DOCUMENT.plain(state, "", wrong)
    if _convert(plain) != document:
        raise TooLargeForForm(gettext("The form cannot show all of this; mend it here first."))
    return state


def read_form(pairs: Iterable[tuple[str, list[str]]], *, key: str) -> State:
    """The state of a posted form; parts without a key get one from their label. ``key``: the definition's own.

    Raises:
        CannotRead: it holds fields that the form does not have.
    """
    try:
        posted = Posted.of(pairs)
    except ValueError as error:
        raise CannotRead(str(error)) from error
    state = DOCUMENT.read(posted)
    if left := posted.left():
        raise CannotRead(
            gettext("The form has no field %(name)s. Load the page anew and try again.") % {"name": repr(left[:80])}
        )
    state["key"] = key
    fill_keys(state)
    return state


def check_state(state: State) -> Checked:
    """Check what was typed: every problem at its field, those of reading before those of meaning."""
    wrong: list[Wrong] = []
    plain: dict[str, Any] = DOCUMENT.plain(state, "", wrong)
    try:
        document: DefinitionDocument | None = sound_document(plain)
    except DefinitionError as error:
        document = _convert(plain)
        wrong += [Wrong(DOCUMENT.find(state, "", problem.path), problem_words(problem)) for problem in error.problems]
    # One problem a field: the first says what to do, the others often only follow from it.
    first: dict[str, Wrong] = {}
    for item in wrong:
        first.setdefault(item.name, item)
    return Checked(state, plain, document, list(first.values()))


def check_yaml(text: str) -> tuple[DefinitionDocument | None, list[Problem]]:
    """The document of YAML text as far as it is one, and what is wrong with it."""
    try:
        plain = parse_yaml(text)
    except DefinitionError as error:
        return None, list(error.problems)
    try:
        return sound_document(plain if isinstance(plain, dict) else {}), []
    except DefinitionError as error:
        return _convert(plain), list(error.problems)


def yaml_of(plain: dict[str, Any]) -> str:
    """What was typed as YAML, sound or not."""
    document = _convert(plain)
    shown = plain if document is None else to_builtins(document)
    return yaml.safe_dump(shown, sort_keys=False, allow_unicode=True, width=110)


def _convert(plain: object) -> DefinitionDocument | None:
    # Data of another shape may also be too large or too deep to convert.
    return None if shape_problems(plain) else msgspec.convert(plain, DefinitionDocument)
