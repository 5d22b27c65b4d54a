"""Acts on many contacts: chosen on the list, said with their consequences, done, told and taken back."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext, gettext_noop, ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from config.web.formats import format_day, format_number
from config.web.pages import page, person_of
from config.web.ui import UNDO
from contacts.enums import JobKind, WorkState
from contacts.forms.acts import FORMS, ActForm
from contacts.models import Contact, Job
from contacts.permissions import check_act_on_contacts
from contacts.registry import definition_in_force
from contacts.selectors.browse import Query, ids_of_view, possible_owners, tag_names
from contacts.selectors.jobs import jobs_in_full
from contacts.services.acting import order_act, undo_act
from contacts.services.acts import ACTS, MOST_CONTACTS, chosen_events
from contacts.services.work import CannotRun
from contacts.views.progress import work_shown

NAMES_SHOWN: Final = 5
_MOST_CHOSEN: Final = 200

TITLES: Final[Mapping[str, str]] = {
    "tag": gettext_noop("Tag contacts"),
    "untag": gettext_noop("Take a tag off contacts"),
    "pin": gettext_noop("Pin contacts to a stage"),
    "unpin": gettext_noop("Take pins back"),
    "pins-back": gettext_noop("Put pins back as they were"),
    "assign": gettext_noop("Assign contacts"),
    "retract": gettext_noop("Retract events"),
    "restore": gettext_noop("Restore events"),
    "bot": gettext_noop("Mark events as a bot's"),
    "human": gettext_noop("Mark events as a person's"),
}
REASONS: Final[Mapping[str, str]] = {
    "gone": gettext_noop("is not there any more"),
    "unchanged": gettext_noop("was so already, or has nothing of the kind"),
    "changed_since": gettext_noop("was pinned or unpinned by somebody since"),
    "no_handoff": gettext_noop("has no open handoff: an owner moves by handoffs alone"),
    "limit": gettext_noop("is beyond the claim limit of this rep"),
    "not_ready": gettext_noop("has left the stages that are handed to Sales"),
}


@page(check_act_on_contacts)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def contacts_act(request: HttpRequest, act: str) -> HttpResponse:
    """Ask for the options of an act (GET), say its consequences (POST), and do it (POST with ``confirm``).

    ``contact`` (several) or, with ``all=1``, everybody whom ``view``, the query of a list's address, finds. With
    ``back=contact`` and one contact, its page comes back afterwards instead of the list.
    """
    if act not in FORMS or act not in ACTS:
        raise Http404("No such act.")
    ACTS[act].check(request.user)
    said = request.POST if request.method == "POST" else request.GET
    now = timezone.now()
    view = said.get("view", "").lstrip("?")
    back = f"{reverse('contacts')}?{view}" if view else reverse("contacts")
    ids, is_all = _chosen(said, view)
    if not ids or len(ids) > MOST_CONTACTS:
        messages.error(request, _wrong_number(len(ids)))
        return redirect(back)
    of_contact = said.get("back") == "contact" and len(ids) == 1
    if of_contact:
        back = reverse("contact", args=ids)
    form = FORMS[act](said if request.method == "POST" else None, now=now)
    is_said = (form.is_valid() if form.is_bound else not form.fields) and (request.method == "POST" or not form.fields)
    if request.method == "POST" and is_said and "confirm" in said:
        return _done(request, act, ids, form, back, of_contact=of_contact)
    context = {
        "act": act,
        "title": gettext(TITLES[act]),
        "form": form,
        "fields": list(form),
        "is_said": is_said,
        "consequence": _consequence(act, ids, form) if is_said else "",
        "number": len(ids),
        "names": _names(ids[:NAMES_SHOWN]),
        "further": max(len(ids) - NAMES_SHOWN, 0),
        "ids": [] if is_all else ids,
        "view": view,
        "back": back,
        "of_contact": of_contact,
        "tags": tag_names() if act == "tag" else [],
    }
    return render(request, "contacts/act.html", context, status=422 if form.errors else 200)


@page(check_act_on_contacts)
@never_cache
@require_safe
def contacts_act_result(request: HttpRequest, job_id: int) -> HttpResponse:
    """Show how far an act is, and what came of it: how many were done, whom it refused and why."""
    job = get_object_or_404(jobs_in_full(), pk=job_id, kind=JobKind.ACT)
    outcome, act = job.parameters.get("outcome") or {}, job.parameters.get("act", "")
    refused = {int(contact_id): code for contact_id, code in outcome.get("refused", {}).items()}
    people = Contact.objects.in_bulk(list(refused))
    context = {
        "job": job,
        "title": gettext(TITLES[act]) if act in TITLES else "",
        "is_over": job.finished_at is not None,
        "url": reverse("job-progress", args=[job.pk]),
        "cancel_url": reverse("job-cancel", args=[job.pk]) if job.finished_at is None else "",
        "done": len(outcome.get("done", ())),
        "events": len(outcome.get("events", ())),
        "why": [(gettext(REASONS.get(code, code)), number) for code, number in outcome.get("why", {}).items()],
        "refused": [
            (contact_id, people[contact_id].display_name, gettext(REASONS.get(code, code)))
            for contact_id, code in refused.items()
            if contact_id in people and people[contact_id].present
        ],
        "may_undo": job.finished_at is not None and _may_undo(job, outcome),
        "was_undone": Job.objects.filter(kind=JobKind.ACT, parameters__undoes=job.pk).exists(),
        "is_cancelled": job.state == WorkState.CANCELLED,
        **work_shown(job),
    }
    return render(request, "contacts/act_result.html", context)


@page(check_act_on_contacts)
@require_POST
def contacts_act_undo(request: HttpRequest, job_id: int) -> HttpResponse:
    """Take back what an act did; ``back=contact`` in the address leads to the one contact afterwards, else the list."""
    job = get_object_or_404(Job, pk=job_id, kind=JobKind.ACT)
    try:
        undoing = undo_act(job=job, by=person_of(request))
    except CannotRun as error:
        messages.error(request, str(error))
        return redirect("contacts-act-result", job.pk)
    if undoing.finished_at is None:
        return redirect("contacts-act-result", undoing.pk)
    ids = undoing.parameters["contacts"]
    of_contact = request.GET.get("back") == "contact" and len(ids) == 1
    messages.success(request, _told_of_one(undoing) if of_contact else _told(undoing))
    return redirect("contact", ids[0]) if of_contact else redirect("contacts")


def _chosen(said: QueryDict, view: str) -> tuple[list[int], bool]:
    """Whom the act is about; True where that is everybody of the view."""
    if said.get("all") == "1":
        query = replace(Query.read(QueryDict(view)), after="")
        ids, more = ids_of_view(query, stages=list(definition_in_force().labels), most=MOST_CONTACTS)
        return (ids if not more else [*ids, 0]), True
    given = [int(one) for one in said.getlist("contact")[:_MOST_CHOSEN] if one.isascii() and one.isdecimal()]
    ids = list(dict.fromkeys(one for one in given if one < 2**63))
    return list(Contact.objects.filter(pk__in=ids, present=True).order_by("pk").values_list("pk", flat=True)), False


def _wrong_number(number: int) -> str:
    if not number:
        return gettext("Choose at least one contact.")
    return gettext("An act is done to at most %(most)s contacts at once. Narrow the view down.") % {
        "most": format_number(MOST_CONTACTS)
    }


def _names(ids: Sequence[int]) -> list[str]:
    people = Contact.objects.in_bulk(list(ids))
    return [people[contact_id].display_name for contact_id in ids if contact_id in people]


def _consequence(act: str, ids: Sequence[int], form: ActForm) -> str:
    """Say in a sentence what the act will do."""
    number, options = len(ids), form.options() if form.is_bound else {}
    given = {"number": format_number(number), **{name: options.get(name, "") for name in ("tag",)}}
    match act:
        case "tag":
            pattern = ngettext(
                "%(number)s contact gets the tag “%(tag)s”. A tag counts for no judgement.",
                "%(number)s contacts get the tag “%(tag)s”. A tag counts for no judgement.",
                number,
            )
        case "untag":
            pattern = ngettext(
                "The tag “%(tag)s” is taken off %(number)s contact.",
                "The tag “%(tag)s” is taken off %(number)s contacts.",
                number,
            )
        case "pin":
            until = parse_datetime(options["until"]) or timezone.now()
            last = until - timedelta(seconds=1)
            given |= {
                "stage": definition_in_force().label(options["stage"]),
                "day": format_day(last, now=timezone.now()),
            }
            pattern = ngettext(
                "This pins %(number)s contact to %(stage)s until %(day)s. Scores, handoffs and sequences stay as they "
                "are; a pin that it has is replaced.",
                "This pins %(number)s contacts to %(stage)s until %(day)s. Scores, handoffs and sequences stay as they "
                "are; a pin that one of them has is replaced.",
                number,
            )
        case "unpin":
            pattern = ngettext(
                "The pin of %(number)s contact is taken back, where it has one: it shows the stage that it was judged "
                "to.",
                "The pins of %(number)s contacts are taken back, where they have one: they show the stage that they "
                "were judged to.",
                number,
            )
        case "assign":
            people = {one.pk: one.get_full_name() or one.email for one in possible_owners()}
            given["name"] = people.get(options["to"], "")
            pattern = ngettext(
                "The open handoff of %(number)s contact goes to %(name)s, who is told of it. Without an open handoff "
                "it keeps its owner. This cannot be undone as one.",
                "The open handoffs of %(number)s contacts go to %(name)s, who is told of them. Contacts without an "
                "open handoff keep their owner. This cannot be undone as one.",
                number,
            )
        case _:
            return _of_events(act, ids, options)
    return pattern % given


def _of_events(act: str, ids: Sequence[int], options: Mapping[str, Any]) -> str:
    number = len(chosen_events(ids, options))
    given = {"number": format_number(number)}
    if act == "retract":
        pattern = ngettext(
            "%(number)s event is marked as a mistake: it counts for no judgement, at no time. Scores, stages and "
            "reports follow within seconds.",
            "%(number)s events are marked as a mistake: they count for no judgement, at no time. Scores, stages and "
            "reports follow within seconds.",
            number,
        )
    else:
        pattern = ngettext(
            "%(number)s event is marked as a bot's: it stays in sight and weighs nothing. Scores, stages and reports "
            "follow within seconds.",
            "%(number)s events are marked as a bot's: they stay in sight and weigh nothing. Scores, stages and reports "
            "follow within seconds.",
            number,
        )
    return pattern % given


def _done(
    request: HttpRequest, act: str, ids: Sequence[int], form: ActForm, back: str, *, of_contact: bool
) -> HttpResponse:
    try:
        job = order_act(
            act=act, contact_ids=ids, options=form.options() if form.is_bound else {}, by=person_of(request)
        )
    except CannotRun as error:
        messages.error(request, str(error))
        return redirect(back)
    outcome = job.parameters.get("outcome") or {}
    if of_contact and "unchanged" in outcome.get("why", {}):
        messages.info(request, gettext("Nothing was changed."))
        return redirect(back)
    if job.state != WorkState.FINISHED or outcome.get("why"):
        return redirect("contacts-act-result", job.pk)
    undo = f"{UNDO}{reverse('contacts-act-undo', args=[job.pk])}" if _may_undo(job, outcome) else ""
    if undo and of_contact:
        undo += "?back=contact"
    messages.success(request, _told_of_one(job) if of_contact else _told(job), extra_tags=undo)
    return redirect(back)


def _may_undo(job: Job, outcome: Mapping[str, Any]) -> bool:
    said = job.parameters
    return bool(said.get("act") in ACTS and ACTS[said["act"]].undo and not said.get("undoes") and outcome.get("done"))


def _told(job: Job) -> str:
    """Say how many were done, and what was done to them."""
    outcome, act = job.parameters.get("outcome") or {}, job.parameters["act"]
    number = len(outcome.get("done", ()))
    pattern = ngettext("%(act)s: %(number)s contact done.", "%(act)s: %(number)s contacts done.", number)
    return pattern % {"act": gettext(TITLES[act]), "number": format_number(number)}


def _told_of_one(job: Job) -> str:
    """Say what was done to the one contact whose page comes back."""
    given = {"name": "".join(_names(job.parameters["contacts"])), "tag": job.parameters["options"].get("tag", "")}
    match job.parameters["act"]:
        case "tag":
            return gettext("%(name)s bears the tag “%(tag)s” now.") % given
        case "untag":
            return gettext("The tag “%(tag)s” is taken off %(name)s.") % given
        case _:
            return _told(job)
