"""Putting a definition in force and taking it back: who must agree, how loudly, and what became of it."""

from dataclasses import dataclass

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_POST, require_safe

from config.web.pages import page, person_of
from contacts.enums import WorkState
from contacts.permissions import (
    can_approve_definition,
    can_publish_definitions,
    check_publish_definitions,
    check_see_definitions,
)
from scoring.changes import changes_between
from scoring.definition import DefinitionError
from scoring.enums import RunKind, Team
from scoring.models import Approval, Definition, Publication, Run
from scoring.selectors import definition_document
from scoring.selectors.runs import runs_with_names
from scoring.selectors.versions import former_version
from scoring.services.approvals import (
    NotPublishable,
    approve_definition,
    asked_teams,
    current_approvals,
    withdraw_approval,
)
from scoring.services.publish import order_publication, order_roll_back
from scoring.views.definition_head import full_name, head_of, refusal_words
from scoring.views.runs import run_shown
from scoring.views.trial_forms import PublishForm


@dataclass(frozen=True, slots=True)
class Word:
    """A team's word on a draft, given or not, and what the person who looks may do about it."""

    team: Team
    approval: Approval | None
    may_agree: bool
    may_withdraw: bool


@page(check_see_definitions)
@require_safe
def publish_page(request: HttpRequest, definition_id: int) -> HttpResponse:
    """Show what it takes to publish the definition, the publication under way, and how to take it back."""
    row = get_object_or_404(Definition, pk=definition_id)
    words = _words(row, person_of(request))
    head = head_of(row, tab="definition-publish")
    publications = Publication.objects.filter(definition=row).select_related("published_by", "retracted_by")
    run = runs_with_names().filter(
        definition=row, kind__in=(RunKind.PUBLISH, RunKind.ROLL_BACK)
    ).order_by("-id").first()  # fmt: skip
    former = _former() if head["in_force"] else None
    before = None if head["in_force"] else former_version(row)
    context = {
        **head,
        **run_shown(run),
        "form": PublishForm(),
        # The same question in the dialog, where scripts run.
        "dialog_form": PublishForm(auto_id="id_dialog_%s"),
        "before": before,
        "changes": changes_between(definition_document(before), definition_document(row)) if before else [],
        "judged": _judged_by(row) if former else None,
        "words": words,
        "agreed": all(word.approval for word in words),
        "trial": _latest_what_if(row),
        "publications": publications.order_by("-effective_at"),
        "may_publish": can_publish_definitions(request.user),
        "former": former,
    }
    return render(request, "scoring/publish.html", context)


@page(check_publish_definitions)
@require_POST
def publish(request: HttpRequest, definition_id: int) -> HttpResponse:
    """Put the definition in force, quietly or loudly; a worker judges every contact by it."""
    row = get_object_or_404(Definition, pk=definition_id)
    form = PublishForm(request.POST)
    if not form.is_valid():
        messages.error(request, gettext("Say whether to publish quietly or loudly."))
        return redirect("definition-publish", row.pk)
    try:
        order_publication(
            definition_id=row.pk, by=person_of(request), now=timezone.now(), quiet=form.cleaned_data["quiet"]
        )
    except (NotPublishable, DefinitionError) as error:
        messages.error(request, refusal_words(error))
    else:
        messages.success(request, gettext("%(definition)s is in force from now on.") % {"definition": full_name(row)})
    return redirect("definition-publish", row.pk)


@page(check_publish_definitions)
@require_POST
def roll_back(request: HttpRequest, definition_id: int) -> HttpResponse:
    """Take the latest publication back; ``definition_id`` is what the person saw in force."""
    row = get_object_or_404(Definition, pk=definition_id)
    latest = Publication.objects.filter(retracted_at=None).latest("effective_at")
    if latest.definition_id != row.pk:
        said = gettext("%(definition)s is no longer in force; nothing was taken back.")
        messages.error(request, said % {"definition": full_name(row)})
        return redirect("definition-publish", row.pk)
    try:
        order_roll_back(by=person_of(request), now=timezone.now())
    except NotPublishable as error:
        messages.error(request, str(error))
    else:
        said = gettext("%(definition)s is taken back, as if it had never been in force.")
        messages.success(request, said % {"definition": full_name(row)})
    return redirect("definition-publish", row.pk)


@page(check_see_definitions)
@require_POST
def approve(request: HttpRequest, definition_id: int) -> HttpResponse:
    """Give a team's word on the draft, or take it back; which is the form's ``team`` and ``word``."""
    row = get_object_or_404(Definition, pk=definition_id)
    team = next((team for team in Team if team.value == request.POST.get("team")), None)
    if team is None:
        messages.error(request, gettext("Say for which team you agree."))
        return redirect("definition-publish", row.pk)
    withdraw = request.POST.get("word") == "withdraw"
    act = withdraw_approval if withdraw else approve_definition
    try:
        act(definition_id=row.pk, team=team, by=person_of(request), now=timezone.now())
    except NotPublishable as error:
        messages.error(request, str(error))
    else:
        said = gettext("%(team)s's word is taken back.") if withdraw else gettext("%(team)s's word is given.")
        messages.success(request, said % {"team": team.label})
    return redirect("definition-publish", row.pk)


def _words(row: Definition, person: User) -> list[Word]:
    given = current_approvals(row)
    words = []
    for team in asked_teams(row):
        approval, speaks = given.get(team), can_approve_definition(person, team.value)
        spoke_for_other = any(other.approved_by_id == person.pk for name, other in given.items() if name != team)
        words.append(Word(team, approval, speaks and approval is None and not spoke_for_other, speaks))
    return words


def _latest_what_if(row: Definition) -> Run | None:
    """The latest what-if of the definition as it stands now."""
    tried = Run.objects.filter(
        definition=row, revision=row.revision, kind=RunKind.WHAT_IF, state=WorkState.FINISHED
    ).order_by("-id")  # fmt: skip
    return tried.first()


def _judged_by(row: Definition) -> int | None:
    """How many contacts the publication in force moved; None while it is being judged by."""
    runs = Run.objects.filter(definition=row, kind=RunKind.PUBLISH, state=WorkState.FINISHED).order_by("-id")
    latest = runs.first()
    return latest.result.get("changed") if latest is not None and latest.result else None


def _former() -> Definition | None:
    """What would be in force again after a roll-back; None while only the first publication is left."""
    rows = Publication.objects.filter(retracted_at=None).select_related("definition").order_by("-effective_at")[1:2]
    return rows[0].definition if rows else None
