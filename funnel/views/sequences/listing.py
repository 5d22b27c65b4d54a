"""The list of sequences, and the report of one."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_http_methods, require_safe

from config.web.formats import format_number, format_percent
from config.web.pages import link_with, page, person_of
from config.web.ui import Tab
from contacts.models import Contact
from contacts.selectors.naming import find_contact
from funnel.enums import EnrolmentState, SequenceState
from funnel.forms.sequences import EnrolForm
from funnel.models import Enrolment, Sequence
from funnel.permissions import can_edit_sequences, can_enrol, check_enrol, check_see_sequences
from funnel.selectors.people import name_of
from funnel.selectors.sequences import Figures, figures_of, list_enrolments, list_sequences
from funnel.services.sequences.activating import activation_effects
from funnel.services.sequences.enrolling import CannotEnrol, enrol_contact
from funnel.views.sequences.shown import (
    ahead_of,
    before_of,
    head_of,
    reason_label,
    sequence_or_404,
    state_badge,
    step_title,
    wait_text,
    way_badge,
)
from scoring.selectors import stage_labels


@page(check_see_sequences)
@require_safe
def sequences(request: HttpRequest) -> HttpResponse:
    """List sequences with their states and figures, the latest first."""
    before = before_of(request)
    rows, following = list_sequences(before=before)
    context = {
        "rows": [(row, state_badge(row.sequence)) for row in rows],
        "labels": stage_labels(),
        "may_edit": can_edit_sequences(request.user),
        "summary": ngettext("%(number)s sequence", "%(number)s sequences", len(rows))
        % {"number": format_number(len(rows))},
        "next_url": f"?before={following}" if following else "",
        "first_url": "?" if before else "",
    }
    return render(request, "funnel/sequences.html", context)


@page(check_see_sequences)
@require_http_methods(["GET", "HEAD", "POST"])
def sequence(request: HttpRequest, sequence_id: int) -> HttpResponse:
    """Show what a sequence did and who goes through it; enrol somebody by hand."""
    found = sequence_or_404(sequence_id)
    form = EnrolForm()
    if request.method == "POST":
        check_enrol(person_of(request))
        form = EnrolForm(request.POST)
        if form.is_valid() and _enrol(request, found, form):
            return redirect("sequence", found.pk)
    state = request.GET.get("state", "")
    before = before_of(request)
    rows, following = list_enrolments(found, state=state, before=before)
    figures = figures_of(found, now=timezone.now())
    states = [("", gettext("All"), figures.row.enrolled)]
    counts = (figures.row.under_way, figures.row.completed, figures.row.stopped)
    states += [(one.value, one.label.capitalize(), count) for one, count in zip(EnrolmentState, counts, strict=True)]
    context = {
        **head_of(request, found, gettext("Report")),
        "figures": figures,
        "shares": _shares(figures),
        "steps": [
            (step, wait_text(step.step), step_title(step.step), [
                (what, reason_label(code), number) for what, code, number in step.reasons
            ])
            for step in figures.steps
        ],
        "ends": [(reason.label, number) for reason, number in figures.ends],
        "rows": [(row, way_badge(row), ahead_of(row), _came(row)) for row in rows],
        "state_tabs": [
            Tab(label, link_with(request.GET, state=value or None), value == state, count)
            for value, label, count in states
        ],
        "summary": gettext("%(number)s shown") % {"number": format_number(len(rows))},
        "next_url": f"{link_with(request.GET)}&before={following}" if following else "",
        "first_url": link_with(request.GET) if before else "",
        "form": form,
        "may_enrol": can_enrol(request.user) and found.state == SequenceState.ACTIVE,
        "effects": activation_effects(found) if found.state != SequenceState.ACTIVE else None,
    }  # fmt: skip
    return render(request, "funnel/sequence.html", context, status=422 if form.errors else 200)


def _enrol(request: HttpRequest, found: Sequence, form: EnrolForm) -> bool:
    try:
        contact = find_contact(form.cleaned_data["contact"])
        enrol_contact(sequence_id=found.pk, contact_id=contact.pk, by=person_of(request), now=timezone.now())
    except Contact.DoesNotExist:
        form.add_error("contact", gettext("Nobody has this address or number."))
        return False
    except CannotEnrol as refused:
        form.add_error("contact", refused.message)
        return False
    messages.success(request, gettext("%(contact)s is enrolled.") % {"contact": contact.display_name})
    return True


def _shares(figures: Figures) -> dict[str, str]:
    """How many of the enrolled completed it and moved on, as shares; empty where nobody is enrolled."""
    enrolled = figures.row.enrolled
    if not enrolled:
        return {}
    return {
        "completed": format_percent(figures.row.completed / enrolled),
        "moved_on": format_percent(figures.moved_on / enrolled),
    }


def _came(row: Enrolment) -> str:
    how = str(row.get_how_display())
    return f"{how} ({name_of(row.enrolled_by)})" if row.enrolled_by else how
