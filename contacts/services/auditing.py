"""The one writer of the audit log: who did what to what, through what, in the transaction of the act itself."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from enum import Enum
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Model

from config.web.through import current
from contacts.audit import AuditAct, AuditThing
from contacts.models import AuditEntry

P = ParamSpec("P")
R = TypeVar("R")

# More would be a copy of what was done, not a note of it.
MOST_DETAILS: Final = 12
MOST_IN_A_LIST: Final = 30
LONGEST_TEXT: Final = 100

# How a model is called in the log, by its name in code: apps that this one does not know have theirs here, too.
_THINGS: Final = {
    "user": AuditThing.PERSON,
    "invitation": AuditThing.INVITATION,
    "personaltoken": AuditThing.TOKEN,
    "source": AuditThing.SOURCE,
    "emailhook": AuditThing.EMAIL_HOOK,
    "form": AuditThing.FORM,
    "kind": AuditThing.KIND,
    "rejectedmessage": AuditThing.REJECTED,
    "hookendpoint": AuditThing.WEBHOOK,
    "hookdelivery": AuditThing.DELIVERY,
    "definition": AuditThing.DEFINITION,
    "publication": AuditThing.PUBLICATION,
    "run": AuditThing.RUN,
    "notice": AuditThing.NOTICE,
    "routingrule": AuditThing.RULE,
    "workingcalendar": AuditThing.CALENDAR,
    "holiday": AuditThing.HOLIDAY,
    "absence": AuditThing.ABSENCE,
    "salessettings": AuditThing.SALES_SETTINGS,
    "sequence": AuditThing.SEQUENCE,
    "enrolment": AuditThing.ENROLMENT,
    "contact": AuditThing.CONTACT,
    "company": AuditThing.COMPANY,
    "handoff": AuditThing.HANDOFF,
    "merge": AuditThing.MERGE,
    "mergesuggestion": AuditThing.SUGGESTION,
    "importrun": AuditThing.IMPORT,
    "job": AuditThing.JOB,
}

Thing = Model | tuple[AuditThing, Any]


def record_act(act: AuditAct, /, *, by: User | None, about: Thing | None = None, **details: Any) -> None:
    """Write a line into the audit log, within the current transaction: it stays exactly if the act does.

    Args:
        act: what is done.
        by: who; None takes whom the request belongs to, and where that is nobody, the line names only the key or the
            command that it came through.
        about: to what: a row, or a sort of thing with its number.
        details: a few short values that help to understand the line: numbers, keys, names that we gave ourselves. Never
            a secret, and nothing that is known of a contact.
    """
    through = current()
    actor = by if by is not None else _person(through.person)
    thing, number = _named(about)
    AuditEntry.objects.create(
        actor=actor,
        actor_label=_label(actor),
        channel=through.channel,
        key_id=through.key,
        key_label=through.label[:100],
        act=act,
        thing=thing,
        thing_id=number,
        details={name: _kept(value) for name, value in list(details.items())[:MOST_DETAILS] if value not in (None, "")},
    )


def audited(
    act: AuditAct, about: str = "", *, thing: AuditThing | None = None, keep: Sequence[str] = ()
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a service one that leaves a line in the audit log, in one transaction with what it does.

    Args:
        act: what it does.
        about: to what: the name of an argument, or ``result``; after a dot, an attribute of it (``result.source``).
            Where that is None or False in the end, nothing was done and nothing is written.
        thing: what sort of thing, where ``about`` names a number and no row.
        keep: arguments whose values are noted (``result`` and attributes as above; of several rows, how many).
    """

    def decorate(service: Callable[P, R]) -> Callable[P, R]:
        @wraps(service)
        def acting(*args: P.args, **kwargs: P.kwargs) -> R:
            given: dict[str, Any] = dict(kwargs)
            # What is deleted has no number afterwards.
            before = None if about.startswith("result") else _about(about, given, thing)
            with transaction.atomic():
                result = service(*args, **kwargs)
                given["result"] = result
                meant = _about(about, given, thing) if about.startswith("result") else before
                if result is not False and result != {} and (meant is not None or not about):
                    details = {path.rpartition(".")[2]: _at(path, given) for path in keep}
                    record_act(act, by=given.get("by"), about=meant, **details)
            return result

        acting.__dict__["audited_as"] = act
        return acting

    return decorate


def _about(path: str, given: Mapping[str, Any], thing: AuditThing | None) -> tuple[AuditThing, str] | None:
    found = _at(path, given) if path else None
    if found is None or found is False:
        return None
    return (thing, str(found)) if thing is not None else _named(found)  # type: ignore[return-value]  # a row has a sort


def _at(path: str, given: Mapping[str, Any]) -> Any:
    name, *attributes = path.split(".")
    value = given.get(name)
    for attribute in attributes:
        value = getattr(value, attribute, None)
    return value


def _named(about: Thing | None) -> tuple[AuditThing | str, str]:
    if about is None:
        return "", ""
    if isinstance(about, Model):
        return _THINGS[str(about._meta.model_name)], str(about.pk)  # noqa: SLF001  Django's public name for it
    return about[0], str(about[1])[:64]


def _kept(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, Model):
        return value.pk
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return sorted(map(str, value))[:MOST_IN_A_LIST]
    if isinstance(value, set | frozenset | list | tuple):
        return [_kept(one) for one in list(value)[:MOST_IN_A_LIST]]
    return str(value)[:LONGEST_TEXT]


def _person(person: Any) -> User | None:
    return person if person is not None and person.is_authenticated else None


def _label(actor: User | None) -> str:
    return "" if actor is None else (actor.get_full_name() or actor.get_username())[:200]


def is_by_hand(by: User | None) -> bool:
    """Tell whether a person does it: what programs say of contacts all day is told by the facts themselves."""
    return by is not None or _person(current().person) is not None
