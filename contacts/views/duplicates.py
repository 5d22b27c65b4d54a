"""Contacts that may be one person: the list to work off, two side by side, merging and taking it back."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseClientRefresh

from config.web.formats import format_number
from config.web.pages import page, person_of
from config.web.ui import UNDO, Tab
from contacts.enums import ConsentAction, JobKind, MergeDecision
from contacts.ingest.consent import State
from contacts.models import Contact, Job, Merge, MergeSuggestion
from contacts.permissions import check_merge
from contacts.registry import definition_in_force
from contacts.selectors.consent import ledger_states
from contacts.selectors.merges import (
    merges_in_full,
    merges_of_contact,
    open_suggestions,
    place_of,
    roots_of,
    suggested_pair,
)
from contacts.selectors.pairs import CardOfTwo, card_of, contacts_to_compare, fields_of_two, find_others
from contacts.services.duplicate_orders import order_search
from contacts.services.merging import dismiss_suggestion, merge_contacts
from contacts.services.parting import undo_merge
from contacts.services.uniting import CannotMerge
from contacts.views.progress import work_shown

_COUNTED: Final = 10_000
_PAGE: Final = 50
_LONGEST_ID: Final = 18


@page(check_merge)
@require_safe
def duplicates(request: HttpRequest) -> HttpResponse:
    """List the suggestions that wait for a person, surest first, and how the search for them stands."""
    after = request.GET.get("after", "")
    found = open_suggestions(after=after)
    number = MergeSuggestion.objects.filter(decision=MergeDecision.OPEN)[: _COUNTED + 1].count()
    context = {
        "pairs": found.pairs,
        "tabs": _tabs("suggestions"),
        "summary": gettext("%(shown)s of %(all)s") % {"shown": format_number(len(found.pairs)), "all": _capped(number)},
        "next_url": f"?after={found.next}" if found.next else "",
        "first_url": "?" if after else "",
        **_search_shown(Job.objects.filter(kind=JobKind.FIND_DUPLICATES).order_by("-id").first()),
    }
    return render(request, "contacts/duplicates.html", context)


@page(check_merge)
@require_POST
def duplicate_search(request: HttpRequest) -> HttpResponse:
    """Order a search through all contacts."""
    order_search(by=person_of(request))
    return redirect("duplicates")


@page(check_merge)
@require_safe
def duplicate_progress(request: HttpRequest, job_id: int) -> HttpResponse:
    """The moving part of the list while a search goes on; once it has ended the page is loaded anew."""
    job = get_object_or_404(Job, pk=job_id, kind=JobKind.FIND_DUPLICATES)
    if not request.htmx:  # type: ignore[attr-defined]  # django-htmx adds it
        return redirect("duplicates")
    if job.finished_at is not None:
        return HttpResponseClientRefresh()
    return render(request, "contacts/duplicate_search.html", _search_shown(job))


@page(check_merge)
@require_http_methods(["GET", "HEAD", "POST"])
def duplicate(request: HttpRequest, suggestion_id: int) -> HttpResponse:
    """Show two contacts side by side; merge them, or say that they are different people, and go on to the next."""
    suggestion = get_object_or_404(MergeSuggestion, pk=suggestion_id)
    pair = suggested_pair(suggestion_id)
    if pair is None:
        if request.method == "POST":
            messages.info(request, gettext("Somebody has decided that already."))
        return _after_deciding(suggestion)
    if request.method == "POST":
        return _decide(request, suggestion, {pair.contact.pk, pair.other.pk})
    following = _following(suggestion)
    context = {
        "suggestion": suggestion,
        "next_url": reverse("duplicate", args=[following]) if following else "",
        "reason": suggestion.reason,
        **_two(pair.contact, pair.other),
    }
    return render(request, "contacts/duplicate.html", context)


@page(check_merge)
@require_safe
def merges(request: HttpRequest) -> HttpResponse:
    """List what was merged, latest first, each to be taken back; ``?contact=``: only what a contact is made of."""
    contact_id, before = _number(request.GET.get("contact", "")), _number(request.GET.get("before", ""))
    contact = Contact.objects.filter(pk=contact_id).first() if contact_id else None
    if contact is not None:
        rows, following = merges_of_contact(contact.pk), None
    else:
        found = merges_in_full().order_by("-id")
        rows = list((found.filter(pk__lt=before) if before else found)[: _PAGE + 1])
        following = rows[_PAGE - 1].pk if len(rows) > _PAGE else None
        rows = rows[:_PAGE]
    context = {
        "rows": rows,
        "contact": contact,
        "tabs": _tabs("merges"),
        "summary": gettext("%(number)s shown") % {"number": format_number(len(rows))},
        "next_url": f"?before={following}" if following else "",
        "first_url": "?" if before or contact else "",
    }
    return render(request, "contacts/merges.html", context)


@page(check_merge)
@require_POST
def merge_undo(request: HttpRequest, merge_id: int) -> HttpResponse:
    """Take a merge back, and show the contact that is itself again."""
    merge = get_object_or_404(Merge, pk=merge_id)
    try:
        undo_merge(merge_id=merge.pk, by=person_of(request), now=timezone.now())
    except CannotMerge as error:
        messages.error(request, str(error))
        return redirect("merges")
    messages.success(
        request, gettext("They are two contacts again, each with what is its own. The judgement follows shortly.")
    )
    return redirect("merges")


@page(check_merge)
@require_http_methods(["GET", "HEAD", "POST"])
def contact_merge(request: HttpRequest, contact_id: int) -> HttpResponse:
    """Merge a contact with another that a person looks for: ``?q=`` finds it, ``?with=`` shows both side by side."""
    given = request.POST if request.method == "POST" else request.GET
    other_id = _number(given.get("with", ""))
    known = contacts_to_compare([contact_id, *([other_id] if other_id else [])])
    contact = known.get(contact_id)
    if contact is None:
        now_id = roots_of([contact_id]).get(contact_id)
        if now_id is None or request.method == "POST":
            raise Http404("There is no such contact.")
        return redirect("contact-merge", now_id)
    other = known.get(other_id) if other_id and other_id != contact_id else None
    if request.method == "POST":
        if other is None:
            messages.error(request, gettext("Choose with whom."))
            return redirect("contact-merge", contact_id)
        merge = _merge(request, {contact.pk, other.pk})
        return redirect("contact", merge.winner_id) if merge else redirect("contact-merge", contact_id)
    text = request.GET.get("q", "").strip()[:200]
    context = {
        "contact": contact,
        "q": text,
        "found": find_others(contact_id, text) if text and other is None else [],
        "labels": definition_in_force().labels,
        "made_of": merges_of_contact(contact_id),
        **(_two(contact, other) if other else {}),
    }
    return render(request, "contacts/merge.html", context)


def _decide(request: HttpRequest, suggestion: MergeSuggestion, ids: set[int]) -> HttpResponse:
    """Do what the form of a suggestion asks for and go on to the next one."""
    following = _following(suggestion)
    if request.POST.get("decision") == "different":
        dismiss_suggestion(suggestion_id=suggestion.pk, by=person_of(request), now=timezone.now())
        messages.success(request, gettext("Different people: they are not suggested again."))
    elif _merge(request, ids) is None:
        return redirect("duplicate", suggestion.pk)
    return redirect("duplicate", following) if following else redirect("duplicates")


def _merge(request: HttpRequest, ids: set[int]) -> Merge | None:
    """Merge the two, the chosen one stays; None where that was refused, which is said."""
    stays = _number(request.POST.get("winner", ""))
    if stays not in ids:
        messages.error(request, gettext("Choose who stays."))
        return None
    (goes,) = ids - {stays}
    now, person = timezone.now(), person_of(request)
    try:
        merge = _merged(winner_id=stays, loser_id=goes, by=person, reason=request.POST.get("reason", ""), now=now)
    except CannotMerge as error:
        messages.error(request, str(error))
        return None
    said = gettext("Merged into %(name)s.") % {"name": merge.winner.display_name}
    messages.success(request, said, extra_tags=_undo(merge))
    return merge


def _merged(*, winner_id: int, loser_id: int, by: User, reason: str, now: datetime) -> Merge:
    return merge_contacts(
        winner_id=winner_id, loser_id=loser_id, by=by, source=None, reason=reason.replace("\0", "")[:255], now=now
    )


def _undo(merge: Merge) -> str:
    return f"{UNDO}{reverse('merge-undo', args=[merge.pk])}"


def _two(one: Contact, other: Contact) -> dict[str, Any]:
    """What ``contacts/pair.html`` shows."""
    cards = (card_of(one), card_of(other))
    states = ledger_states([one.pk, other.pk])
    return {
        "one": cards[0],
        "other": cards[1],
        "cards": cards,
        "fields": fields_of_two(one, other),
        "consents": [_consents(states.get(card.contact.pk, {})) for card in cards],
        "labels": definition_in_force().labels,
        "winner": _likely_winner(cards),
    }


def _consents(states: Mapping[str, State]) -> list[tuple[str, str]]:
    """What was said of each purpose, with its tone."""
    tones = {ConsentAction.GRANTED.value: "good", ConsentAction.WITHDRAWN.value: "bad"}
    return [
        (f"{purpose.replace('_', ' ')}: {ConsentAction(state.action).label}", tones.get(state.action, ""))
        for purpose, state in sorted(states.items())
    ]


def _likely_winner(cards: tuple[CardOfTwo, CardOfTwo]) -> int:
    """Who stays unless somebody chooses: who is known, else who came first."""
    return min(cards, key=lambda card: (not card.is_known, card.contact.pk)).contact.pk


def _following(suggestion: MergeSuggestion) -> int | None:
    """The suggestion to look at after this one."""
    pairs = open_suggestions(after=place_of(suggestion), limit=10).pairs
    return pairs[0].suggestion.pk if pairs else None


def _after_deciding(suggestion: MergeSuggestion) -> HttpResponse:
    return redirect("contact", suggestion.merge.winner_id) if suggestion.merge else redirect("duplicates")


def _search_shown(job: Job | None) -> dict[str, Any]:
    """What ``contacts/duplicate_search.html`` needs of the latest search."""
    if job is None:
        return {"job": None}
    return {
        "job": job,
        "title": gettext("Searching for duplicates"),
        "progress_url": reverse("duplicate-progress", args=[job.pk]),
        "result": job.result or {},
        **work_shown(job),
    }


def _tabs(current: str) -> list[Tab]:
    return [
        Tab(gettext("Suggestions"), reverse("duplicates"), current == "suggestions", icon="copy"),
        Tab(gettext("Merged"), reverse("merges"), current == "merges", icon="merge"),
    ]


def _capped(number: int) -> str:
    return f"{format_number(_COUNTED)}+" if number > _COUNTED else format_number(number)


def _number(text: str) -> int:
    """An id from an address; 0 where it is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _LONGEST_ID else 0
