"""The audit log as administrators read it."""

from datetime import date
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext, ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from config.web.formats import format_number
from config.web.pages import link_with, page
from contacts.audit import AuditAct, AuditThing
from contacts.permissions import check_manage_team
from contacts.selectors.audit import Wanted, actors, lines

_LONGEST_NUMBER: Final = 18


@page(check_manage_team)
@never_cache
@require_safe
def audit(request: HttpRequest) -> HttpResponse:
    """List who did what, latest first: filters ``who``, ``act``, ``thing``, ``number``, ``from``, ``to``."""
    given = {name: request.GET.get(name, "").strip() for name in ("who", "act", "thing", "number", "from", "to")}
    wrong = (
        [gettext("A day is written as 2026-11-22.")] if any(_bad_day(given[name]) for name in ("from", "to")) else []
    )
    before = _number(request.GET.get("before", ""))
    wanted = Wanted(
        actor=_number(given["who"]),
        act=given["act"] if given["act"] in AuditAct.values else "",
        thing=given["thing"] if given["thing"] in AuditThing.values else "",
        thing_id=given["number"] if _number(given["number"]) is not None else "",
        first=_day(given["from"]),
        last=_day(given["to"]),
        before=before,
    )
    rows, following = lines(wanted)
    context = {
        "rows": rows,
        "given": given,
        "wrong": wrong,
        "people": [(str(number), name) for number, name in actors()],
        "acts": sorted(((act.value, str(act.label)) for act in AuditAct), key=lambda one: one[1].casefold()),
        "things": sorted(((thing.value, str(thing.label)) for thing in AuditThing), key=lambda one: one[1].casefold()),
        "is_filtered": any(given.values()),
        "summary": ngettext("%(number)s line", "%(number)s lines", len(rows)) % {"number": format_number(len(rows))},
        "next_url": link_with(request.GET, before=str(following)) if following else "",
        "first_url": link_with(request.GET, before=None) if before else "",
    }
    return render(request, "contacts/audit.html", context)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _LONGEST_NUMBER else None


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text and 1 < int(text[:4] or 0) < 9_999 else None
    except ValueError:
        return None


def _bad_day(text: str) -> bool:
    return bool(text) and _day(text) is None
