"""What would be enough for the next stage, in plain words. No database, no clock."""

from collections.abc import Mapping, Sequence

from django.utils.translation import gettext, ngettext

from scoring.engine.properties import EXAMPLE
from scoring.wording import amount, answer_word, attribute_name, both, kind_phrase, value_word


def step_sentence(events: Sequence[tuple[str, Mapping[str, object], int]], attributes: Mapping[str, object]) -> str:
    """What would be enough, as a sentence: it asked for a demo, its means were "yes".

    ``events``: kind, what its events must carry, and how many there are.
    """
    return gettext("It would be enough that %(steps)s.") % {"steps": steps_in_words(events, attributes)}


def steps_in_words(events: Sequence[tuple[str, Mapping[str, object], int]], attributes: Mapping[str, object]) -> str:
    """What would be enough, as clauses: ``it asked for a demo and its e-mail were known``; see ``step_sentence``."""
    parts = [_deeds(kind, carried, times) for kind, carried, times in events]
    return both(parts + [_wish(name, value) for name, value in attributes.items()])


def _deeds(kind: str, carried: Mapping[str, object], times: int) -> str:
    """Events in the sentence; what only stands for anything is not said."""
    said = [
        f'{name} "{value_word(value)}"' if isinstance(value, str) else f"{name} {value_word(value)}"
        for name, value in carried.items()
        if isinstance(value, str | int | float) and not str(value).startswith(EXAMPLE)
    ]
    deed = gettext("it %(deed)s") % {"deed": kind_phrase(kind)}
    if said:
        deed = gettext("%(deed)s (%(details)s)") % {"deed": deed, "details": ", ".join(said)}
    if times == 1:
        return deed
    return ngettext("%(deed)s %(number)s time", "%(deed)s %(number)s times", times) % {"deed": deed, "number": times}


def _wish(name: str, value: object) -> str:
    what = attribute_name(name)
    if name == "email":
        return gettext("its e-mail were known")
    if value == "known" or name == "phone":
        return gettext("its %(name)s were known") % {"name": what}
    if value is True:
        *subject, state = what.split()
        if not subject:
            return gettext("it were %(state)s") % {"state": state}
        return gettext("its %(subject)s were %(state)s") % {"subject": " ".join(subject), "state": state}
    shown = amount(value) if isinstance(value, float) else answer_word(str(value))
    return gettext('its %(name)s were "%(value)s"') % {"name": what, "value": shown}
