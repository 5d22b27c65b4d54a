"""Who is behind a number: contacts, or handoffs."""

from collections.abc import Mapping
from datetime import datetime

from django.contrib.auth.models import User
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext, gettext_noop
from django.views.decorators.http import require_safe

from config.web.pages import link_with, page
from config.web.replica import from_replica
from contacts.models import Standing
from contacts.permissions import check_view_contacts
from funnel.enums import ReturnReason
from funnel.feedback import RuleKind
from funnel.models import Handoff
from funnel.selectors.feedback import led_by
from funnel.selectors.figures import Behind, Number, people_behind
from funnel.selectors.handoff_figures import FIGURES, offered_in
from funnel.selectors.marks import read_mark, write_mark
from funnel.selectors.people import name_of
from funnel.selectors.tables import read_asked
from funnel.selectors.turns import TURN_FIGURES, turns_behind
from funnel.services.figures_csv import ARRIVAL
from funnel.views.analytics.pages import head
from funnel.views.analytics.showing import NOWHERE, RULE_KINDS
from scoring.selectors import stage_labels

_PAGE = 50
# Numbers that ask for no second stage.
_OF_ONE_STAGE = (Number.REACHED, Number.BEFORE, Number.AFTER, Number.CHANGED)
_FIGURE_WORDS = {
    "offered": gettext_noop("Offered"),
    "claimed": gettext_noop("Offered and claimed"),
    "accepted": gettext_noop("Accepted by a rep"),
    "decided": gettext_noop("With a rep's verdict"),
    "won": gettext_noop("Won"),
    "returned": gettext_noop("Returned"),
    "expired": gettext_noop("Expired"),
    "withdrawn": gettext_noop("Withdrawn"),
    "waiting": gettext_noop("Waiting now"),
    "in_hand": gettext_noop("In hand now"),
}
_NUMBER_WORDS = {
    Number.REACHED: gettext_noop("Reached %(origin)s"),
    Number.CONVERTED: gettext_noop("Reached %(origin)s, and got to %(target)s"),
    Number.STRICT: gettext_noop("Went straight on from %(origin)s to %(target)s"),
    Number.SKIPPED: gettext_noop("Got to %(target)s without standing at %(origin)s"),
    Number.BEFORE: gettext_noop("Stood at %(origin)s when the period began"),
    Number.AFTER: gettext_noop("Stood at %(origin)s when the period was over"),
    Number.CHANGED: gettext_noop("Change of %(origin)s: who came and who went"),
}
_TURN_WORDS = {
    "claim": {
        "met": gettext_noop("Waits for a claim that ended in time"),
        "missed": gettext_noop("Waits for a claim that took too long"),
        "running": gettext_noop("Waits for a claim that go on"),
        "void": gettext_noop("Waits for a claim that nothing measured"),
    },
    "hold": {
        "attempt_met": gettext_noop("Tried in time"),
        "attempt_missed": gettext_noop("Tried too late, or not at all"),
        "attempt_running": gettext_noop("Still time to try"),
        "attempt_void": gettext_noop("First attempt not measured"),
        "taken": gettext_noop("Taken by a rep"),
        "accepted": gettext_noop("Accepted by a rep"),
        "decided": gettext_noop("With a rep's verdict"),
        "returned": gettext_noop("Returned"),
        "won": gettext_noop("Won"),
        "released": gettext_noop("Released to the queue"),
        "in_hand": gettext_noop("In hand now"),
    },
}


@page(check_view_contacts)
@require_safe
@from_replica
def funnel_people(request: HttpRequest) -> HttpResponse:
    """List the contacts behind a number of the funnel, a page at a time."""
    labels = stage_labels()
    asked, wrong = read_asked(request.GET, stages=list(labels), today=timezone.now().date())
    behind = _behind(request.GET, labels)
    after = request.GET.get("after", "")
    found = people_behind(
        period=asked.period,
        segment=asked.segment,
        behind=behind,
        after=int(after) if after.isascii() and after.isdigit() and len(after) < 19 else 0,
        limit=_PAGE,
    )
    rows = Standing.objects.select_related("contact__company", "owner").in_bulk(found.contact_ids)
    context = {
        **head(request, asked, labels),
        "wrong": wrong,
        "title": _sentence(behind, labels),
        "rows": [rows[contact_id] for contact_id in found.contact_ids if contact_id in rows],
        "is_change": behind.number is Number.CHANGED,
        "went": found.went,
        "next_url": f"{link_with(request.GET)}&after={found.next}" if found.next else "",
        "first_url": link_with(request.GET) if after else "",
    }
    return render(request, "funnel/analytics/people.html", context)


@page(check_view_contacts)
@require_safe
@from_replica
def funnel_handoffs(request: HttpRequest) -> HttpResponse:
    """List the handoffs behind a number: of a rule, a reason, a source; newest offers first, a page at a time.

    ``?turns=`` lists the turns behind a figure of clocks or of reps instead: one handoff may have had several.
    """
    if request.GET.get("turns", "") in TURN_FIGURES:
        return _turns(request)
    labels = stage_labels()
    asked, wrong = read_asked(request.GET, stages=list(labels), today=timezone.now().date())
    figure = request.GET.get("figure", "")
    figure = figure if figure in FIGURES else "offered"
    handoffs = offered_in(asked.period, asked.segment).filter(FIGURES[figure])
    words = [gettext(_FIGURE_WORDS[figure])]
    reason = request.GET.get("reason", "")
    if reason in ReturnReason.values:
        handoffs = handoffs.filter(reason=reason)
        words.append(gettext("“%(reason)s”") % {"reason": ReturnReason(reason).label})
    if rule := _rule(request.GET.get("rule", "")):
        definition, kind, key = rule
        handoffs = led_by(handoffs, kind=kind, rule=key, definition=definition)
        named = {"kind": RULE_KINDS[kind.value], "rule": key, "definition": definition}
        words.append(gettext("%(kind)s %(rule)s of %(definition)s") % named)
    mark = read_mark(request.GET.get("after", ""))
    if mark is not None:
        handoffs = handoffs.filter(Q(offered_at__lt=mark[0]) | Q(offered_at=mark[0], pk__lt=mark[1]))
    rows = _page_of(handoffs)
    following = rows[_PAGE - 1] if len(rows) > _PAGE else None
    context = {
        **head(request, asked, labels),
        "wrong": wrong,
        "title": ", ".join(words),
        "rows": rows[:_PAGE],
        "next_url": f"{link_with(request.GET)}&after={write_mark(following.offered_at, following.pk)}"
        if following
        else "",
        "first_url": link_with(request.GET) if mark else "",
    }
    return render(request, "funnel/analytics/handoffs.html", context)


def _turns(request: HttpRequest) -> HttpResponse:
    """List the waits for a claim, or the times that a rep had a handoff, behind a number; the latest first."""
    labels, now = stage_labels(), timezone.now()
    asked, wrong = read_asked(request.GET, stages=list(labels), today=now.date())
    kind, figure, rep = request.GET["turns"], request.GET.get("figure", ""), request.GET.get("rep", "")
    figure = figure if figure in TURN_FIGURES[kind] else next(iter(TURN_FIGURES[kind]))
    rep_id = int(rep) if kind == "hold" and rep.isascii() and rep.isdecimal() and len(rep) < 19 else None
    after = read_mark(request.GET.get("after", ""))
    found = turns_behind(
        asked.period, asked.segment, kind=kind, figure=figure, now=now, rep_id=rep_id, after=after, limit=_PAGE
    )
    title = gettext(_TURN_WORDS[kind][figure])
    if (person := User.objects.filter(pk=rep_id).first() if rep_id is not None else None) is not None:
        title = gettext("%(figure)s: %(name)s") % {"figure": title, "name": name_of(person)}
    context = {
        **head(request, asked, labels),
        "wrong": wrong,
        "title": title,
        "is_wait": kind == "claim",
        "rows": found.moves,
        "next_url": _next_url(request, found.next),
        "first_url": link_with(request.GET) if after else "",
    }
    return render(request, "funnel/analytics/turns.html", context)


def _next_url(request: HttpRequest, place: tuple[datetime, int] | None) -> str:
    return f"{link_with(request.GET)}&after={write_mark(*place)}" if place else ""


def _page_of(handoffs: "QuerySet[Handoff]") -> list[Handoff]:
    chosen = handoffs.select_related("contact__company", "claimed_by").order_by("-offered_at", "-pk")
    return list(chosen[: _PAGE + 1])


def _behind(given: Mapping[str, str], labels: Mapping[str, str]) -> Behind:
    """The number that an address asks about; what cannot be read asks for all moves."""

    def stage(name: str) -> str | None:
        text = given.get(name, "")
        return "" if text == NOWHERE else text if text in labels else None

    origin, target = stage("from_stage"), stage("to_stage")
    asked = given.get("number", "")
    number = Number(asked) if asked in set(Number) else Number.MOVES
    if number is not Number.MOVES and (not origin or (number not in _OF_ONE_STAGE and not target)):
        number = Number.MOVES
    return Behind(number, origin, target)


def _sentence(behind: Behind, labels: Mapping[str, str]) -> str:
    origin = labels.get(behind.origin or "", "")
    target = labels.get(behind.target or "", "")
    named = {"origin": origin, "target": target}
    if pattern := _NUMBER_WORDS.get(behind.number):
        return gettext(pattern) % named
    if behind.origin == "":
        return gettext("New contacts at %(target)s") % named if target else gettext(ARRIVAL)
    if origin and target:
        return gettext("Moved from %(origin)s to %(target)s") % named
    if target:
        return gettext("Entered %(target)s") % named
    return gettext("Left %(origin)s") % named if origin else gettext("Changed their stage")


def _rule(text: str) -> tuple[str, RuleKind, str] | None:
    definition, _, rest = text.partition(":")
    kind, _, rule = rest.partition(":")
    if not definition or not rule or kind not in set(RuleKind) or "\0" in text or len(text) > 300:
        return None
    return definition, RuleKind(kind), rule
