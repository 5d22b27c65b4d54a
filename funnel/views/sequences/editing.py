"""Writing a sequence: a new one, its editor, a preview of what it would say, and deleting a draft."""

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.forms import BaseFormSet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from config.web.pages import add_errors, page, person_of
from contacts.models import Contact, Standing
from contacts.selectors.naming import find_contact
from funnel.enums import SequenceState
from funnel.forms.sequences import (
    NEW_STEP,
    SequenceForm,
    StepForm,
    StepForms,
    place_errors,
    plans_in,
    reordered,
    rows_of,
)
from funnel.models import Sequence
from funnel.nurturing import MOST_STEPS, PLACEHOLDERS
from funnel.permissions import check_edit_sequences, check_see_sequences
from funnel.selectors.stages import stage_of
from funnel.services.sequences.drafting import (
    InUse,
    StaleEdit,
    create_sequence,
    delete_sequence,
    save_sequence,
    steps_of,
)
from funnel.services.sequences.previewing import preview_sequence
from funnel.views.sequences.shown import head_of, sequence_or_404, step_title, wait_text


@page(check_edit_sequences)
@require_http_methods(["GET", "HEAD", "POST"])
def sequence_new(request: HttpRequest) -> HttpResponse:
    """Write a draft and go on in its editor."""
    form = SequenceForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = create_sequence(plan=form.plan(), by=person_of(request), now=timezone.now())
            return redirect("sequence-edit", made.pk)
        except ValidationError as error:
            add_errors(form, error)
    return render(request, "funnel/sequence_new.html", {"form": form}, status=422 if form.errors else 200)


@page(check_edit_sequences)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def sequence_edit(request: HttpRequest, sequence_id: int) -> HttpResponse:
    """Show and change a sequence; with ``do`` other than ``save``, its steps are added, moved or removed unsaved."""
    found = sequence_or_404(sequence_id)
    fixed = found.stage if found.state != SequenceState.DRAFT else ""
    if request.method != "POST":
        form = SequenceForm(initial=_settings(found), fixed_stage=fixed)
        rows = rows_of(steps_of(found)) or [dict(NEW_STEP)]
        return _editor(request, found, form, StepForms(initial=rows), version=str(found.version))
    form, version = SequenceForm(request.POST, fixed_stage=fixed), request.POST.get("version", "")
    changed = reordered(request.POST, request.POST.get("do", ""))
    if changed is not None:
        return _editor(request, found, form, StepForms(initial=changed), version=version, unsaved=True)
    steps = StepForms(request.POST)
    # Both are asked, so that everything wrong is shown at once.
    if all([form.is_valid(), steps.is_valid()]) and _save(request, found, form, steps, version):
        messages.success(request, gettext("Saved."))
        return redirect("sequence-edit", found.pk)
    return _editor(request, found, form, steps, version=version, wrong=True)


@page(check_see_sequences)
@require_safe
def sequence_preview(request: HttpRequest, sequence_id: int) -> HttpResponse:
    """Show each step as it would be for ``?contact=``: when, what it says, and whether we might write now."""
    found = sequence_or_404(sequence_id)
    asked = request.GET.get("contact", "").strip()[:254]
    context = {**head_of(request, found, gettext("Preview")), "asked": asked}
    contact_id = _contact_id(found, asked)
    if contact_id is not None:
        contact, steps = preview_sequence(sequence=found, contact_id=contact_id, now=timezone.now())
        context |= {"contact": contact, "steps": [(one, wait_text(one.step), step_title(one.step)) for one in steps]}
    return render(request, "funnel/sequence_preview.html", context, status=404 if asked and contact_id is None else 200)


@page(check_edit_sequences)
@require_http_methods(["GET", "HEAD", "POST"])
def sequence_delete(request: HttpRequest, sequence_id: int) -> HttpResponse:
    """Ask, and then delete a sequence that nobody went through."""
    found = sequence_or_404(sequence_id)
    if request.method != "POST":
        return render(request, "funnel/sequence_delete.html", head_of(request, found, ""))
    try:
        delete_sequence(sequence_id=found.pk, by=person_of(request))
    except InUse as error:
        messages.error(request, str(error))
        return redirect("sequence", found.pk)
    messages.success(request, gettext("%(found)s is gone.") % {"found": found.name})
    return redirect("sequences")


def _editor(
    request: HttpRequest,
    found: Sequence,
    form: SequenceForm,
    steps: "BaseFormSet[StepForm]",
    *,
    version: str,
    unsaved: bool = False,
    wrong: bool = False,
) -> HttpResponse:
    stage = stage_of(found.stage)
    context = {
        **head_of(request, found, gettext("Steps")),
        "form": form,
        "steps": steps,
        "version": version,
        "unsaved": unsaved,
        "wrong": wrong,
        "full": len(steps.forms) >= MOST_STEPS,
        "calls": stage.calls_to_action,
        "communication": stage.communication,
        "placeholders": [(f"{{{name}}}", what) for name, what in PLACEHOLDERS.items()],
    }
    return render(request, "funnel/sequence_edit.html", context, status=422 if wrong else 200)


def _save(
    request: HttpRequest, found: Sequence, form: SequenceForm, steps: "BaseFormSet[StepForm]", version: str
) -> bool:
    try:
        save_sequence(
            sequence_id=found.pk,
            plan=form.plan(plans_in(steps)),
            version=int(version) if version.isascii() and version.isdecimal() and len(version) < 10 else 0,
            by=person_of(request),
            now=timezone.now(),
        )
    except StaleEdit:
        form.add_error(
            None, gettext("Somebody saved this sequence since you opened it. Copy what you wrote and open it anew.")
        )
        return False
    except ValidationError as error:
        place_errors(form, steps, error)
        return False
    return True


def _settings(found: Sequence) -> dict[str, str]:
    return {
        "name": found.name,
        "stage": found.stage,
        "purpose": found.purpose.key,
        "description": found.description,
    }


def _contact_id(found: Sequence, asked: str) -> int | None:
    """The contact that was asked for; without one, somebody who stands in the stage."""
    if not asked:
        standing = Standing.objects.filter(stage=found.stage, contact__present=True).order_by("-last_activity_at")
        return standing.values_list("contact_id", flat=True).first()
    try:
        contact = find_contact(asked)
    except Contact.DoesNotExist:
        return None
    return contact.pk if contact.present else None
