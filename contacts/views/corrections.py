"""Correcting an event from the timeline: one form a thing to say of it."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, gettext_noop
from django.views.decorators.http import require_POST

from config.web.pages import page, person_of
from config.web.ui import UNDO
from contacts.models import Event
from contacts.permissions import check_correct_events
from contacts.services.corrections import Corrected, reclassify_events, restore_events, retract_events

BOT: Final = "bot: marked by hand"


def _retract(ids: list[int], by: User, now: datetime) -> Corrected:
    return retract_events(event_ids=ids, reason="a mistake", by=by, now=now)


def _restore(ids: list[int], by: User, now: datetime) -> Corrected:
    return restore_events(event_ids=ids, reason="", by=by, now=now)


def _bot(ids: list[int], by: User, now: datetime) -> Corrected:
    return reclassify_events(event_ids=ids, suspect_reason=BOT, by=by, now=now)


def _human(ids: list[int], by: User, now: datetime) -> Corrected:
    return reclassify_events(event_ids=ids, suspect_reason="", by=by, now=now)


# What is done, and what is said when it was.
_ACTIONS: Final[dict[str, tuple[Callable[[list[int], User, datetime], Corrected], str]]] = {
    "retract": (_retract, gettext_noop("Retracted: it counts no more.")),
    "restore": (_restore, gettext_noop("Restored: it counts again.")),
    "bot": (_bot, gettext_noop("Marked as a bot's: it stays in sight and weighs nothing.")),
    "human": (_human, gettext_noop("No longer suspect: it counts again.")),
}


# What takes each of them back.
_BACK: Final = {"retract": "restore", "restore": "retract", "bot": "human", "human": "bot"}


@page(check_correct_events)
@require_POST
def correct_event(request: HttpRequest, contact_id: int, event_id: int, action: str) -> HttpResponse:
    """Do ``action`` (retract, restore, bot, human) to an event of the contact and go back to the timeline.

    The query of the address is that of the timeline, so that one comes back to the same place of it.
    """
    if action not in _ACTIONS or not Event.objects.filter(pk=event_id, contact_id=contact_id).exists():
        raise Http404("No such event.")
    act, said = _ACTIONS[action]
    outcome = act([event_id], person_of(request), timezone.now())
    if outcome.reserved:
        messages.error(request, gettext("Only Ripen itself records such events; they are not taken back."))
    elif outcome.unchanged:
        messages.info(request, gettext("It was so already."))
    else:
        back = reverse("event-correct", args=[contact_id, event_id, _BACK[action]])
        follows = gettext("The judgement follows within seconds.")
        messages.success(request, f"{gettext(said)} {follows}", extra_tags=UNDO + back)
    query = f"?{request.GET.urlencode()}" if request.GET else ""
    return redirect(reverse("contact", args=[contact_id]) + query)
