"""Which calls to action fit a contact's stage, and whether each may be used now."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.contrib.auth.models import User
from django.utils.translation import gettext

from contacts.models import Contact
from contacts.selectors.consent import all_purposes
from funnel.calls_to_action import class_of
from funnel.services.may_contact import SALES, Asked, Reason, answer_all
from scoring.definition import DefinitionDocument
from scoring.selectors.definitions import published_definition

PRICING: Final = "pricing"


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A call to action, its class (``""`` where it is of none), whether it may be used now, and why or why not.

    ``fits`` is False for one that the contact's stage does not list; it is named because somebody might think of it.
    """

    call: str
    kind: str
    fits: bool
    allowed: bool
    reasons: tuple[Reason, ...]

    @property
    def why_not(self) -> str:
        """The first thing that forbids it, in a sentence; empty where nothing does."""
        return "" if self.allowed else self.reasons[0].message


def suggest_calls(
    contact: Contact,
    *,
    offered_in: str = "",
    by: User | None = None,
    now: datetime,
    document: DefinitionDocument | None = None,
) -> list[Suggestion]:
    """Return the calls to action for ``contact``, those of its stage first; a fixed number of queries.

    They are what the published definition lists for the stage where the contact stands now; then those of the stage it
    was ``offered_in`` that this one does not list, and talking about prices, where nothing listed does. Each is asked
    of the communication guard for the purpose ``sales``: stage, consent, suppression, owner, frequency.
    """
    document = document or published_definition()[1]
    standing = getattr(contact, "standing", None)
    stage = document.stage(standing.stage) if standing is not None else document.stages[0]
    before = document.stage(offered_in).calls_to_action if offered_in else ()
    calls = list(dict.fromkeys((*stage.calls_to_action, *before)))
    if all(class_of(call) != PRICING for call in calls):
        calls.append(PRICING)
    purpose = next((one for one in all_purposes() if one.key == SALES), None)
    if purpose is None:
        return []
    answers = answer_all([Asked(contact, purpose, call) for call in calls], now=now, document=document, by=by)
    return [
        Suggestion(
            call=_named(call),
            kind=class_of(call),
            fits=call in stage.calls_to_action,
            allowed=answer.allowed,
            reasons=answer.reasons,
        )
        for call, answer in zip(calls, answers, strict=True)
    ]


def common_hindrance(suggestions: Sequence[Suggestion]) -> str:
    """The one thing that forbids all of them, where that is the same; else empty: said once, not with each."""
    hindrances = {suggestion.why_not for suggestion in suggestions if suggestion.fits}
    return hindrances.pop() if len(hindrances) == 1 else ""


def _named(call: str) -> str:
    return gettext("Talk about prices") if call == PRICING else call
