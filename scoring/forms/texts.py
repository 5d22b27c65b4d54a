"""Values as people type them: numbers, answers and words. What ``text_of`` writes, ``value_of`` reads back equal."""

import json
import math
import re

from django.utils.translation import gettext

from scoring.definition.document import Scalar

_NUMBER = re.compile(r"[+-]?(\d{1,300}(\.\d{0,30})?|\.\d{1,30})([eE][+-]?\d{1,3})?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d{1,300}", re.ASCII)
_ANSWERS = {"true": True, "false": False}


def number_text(value: float | None) -> str:
    """A number without needless digits: ``30``, ``0.5``; nothing for None."""
    return "" if value is None else repr(value).removesuffix(".0")


def read_number(text: str) -> float:
    """The number that was typed.

    Raises:
        ValueError: with what to type instead.
    """
    text = text.strip()
    if _NUMBER.fullmatch(text) is None or not math.isfinite(float(text)):
        raise ValueError(gettext("must be a number, such as 30 or 2.5"))
    return float(text)


def read_whole(text: str) -> int:
    """The whole number that was typed.

    Raises:
        ValueError: with what to type instead.
    """
    text = text.strip()
    if _WHOLE.fullmatch(text) is None:
        raise ValueError(gettext("must be a whole number, such as 3"))
    return int(text)


def scalar_text(value: Scalar) -> str:
    """A value of an attribute or property: bare where it reads back the same, else in double quotes."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return repr(value)
    return value if _stands_alone(value) and _bare(value) == value else json.dumps(value)


def read_scalar(text: str) -> Scalar:
    """The value that was typed: ``true`` and ``false`` are answers, digits a number, the rest is text.

    Raises:
        ValueError: when it begins with a quote and does not end with one.
    """
    text = text.strip()
    if text.startswith('"'):
        try:
            value = json.loads(text)
        except ValueError:
            value = None
        if not isinstance(value, str):
            raise ValueError(gettext('has a quote that is not closed; write "..." or leave the quotes out'))
        return value
    return _bare(text)


def line_text(value: str) -> str:
    """A text that takes one line: as it is where it reads back the same, else in double quotes."""
    return value if _stands_alone(value) else json.dumps(value)


def read_line(text: str) -> str:
    """The text of one line.

    Raises:
        ValueError: as ``read_scalar``.
    """
    return str(read_scalar(text)) if text.strip().startswith('"') else text.strip()


def key_of(label: str) -> str:
    """A key made from a label: ``Asked for a demo`` gives ``asked_for_a_demo``; nothing where no letter is left."""
    return "_".join(re.findall(r"[a-z0-9]+", label.lower()))[:60]


def _stands_alone(value: str) -> bool:
    return bool(value) and value == value.strip() and value.splitlines() == [value] and not value.startswith('"')


def _bare(text: str) -> Scalar:
    if text in _ANSWERS:
        return _ANSWERS[text]
    if _WHOLE.fullmatch(text):
        return int(text)
    if _NUMBER.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    return text
