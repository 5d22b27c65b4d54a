"""What the pages of sequences share: finding one, its head, and how its parts are told in words."""

from typing import Any, Final

from django.http import Http404, HttpRequest
from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy, ngettext

from config.web.ui import Tab, Tone
from funnel.enums import EnrolmentState, SequenceState, StepState, StopReason
from funnel.models import Enrolment, Sequence, SequenceStep, StepRun
from funnel.permissions import can_edit_sequences
from funnel.selectors.sequences import PAGE_SIZE
from scoring.selectors import stage_labels

_LARGEST_ID: Final = 2**63 - 1
_STATES: Final[dict[str, tuple[Tone, str]]] = {
    SequenceState.DRAFT: ("", "pencil"),
    SequenceState.ACTIVE: ("good", "play"),
    SequenceState.PAUSED: ("warn", "pause"),
}
_WAYS: Final[dict[str, tuple[Tone, str]]] = {
    EnrolmentState.ACTIVE: ("note", "route"),
    EnrolmentState.COMPLETED: ("good", "circle-check"),
    EnrolmentState.STOPPED: ("", "circle-x"),
}
# Reasons of may-contact in few words, for figures; the sentence with its particulars is kept with each step.
REASONS: Final = {
    "no_address": gettext_lazy("no e-mail address"),
    "consent_missing": gettext_lazy("no consent"),
    "stage_needs_consent": gettext_lazy("no consent"),
    "consent_withdrawn": gettext_lazy("consent withdrawn"),
    "no_contract": gettext_lazy("no contract"),
    "too_often": gettext_lazy("too many mails lately"),
    "suppressed": gettext_lazy("address suppressed"),
    "call_to_action_unknown": gettext_lazy("call to action unknown to the definition"),
    "call_to_action_not_for_stage": gettext_lazy("call to action not for this stage"),
    "owned_by_another": gettext_lazy("in conversation with Sales"),
    "stage_owner": gettext_lazy("Sales does not write to them yet"),
    "not_claimed": gettext_lazy("nobody claimed them yet"),
    "step_removed": gettext_lazy("the step was removed"),
    "merged": gettext_lazy("became part of another contact"),
}


def sequence_or_404(sequence_id: int) -> Sequence:
    """Return the sequence with its purpose and people, or answer 404."""
    found = Sequence.objects.select_related("purpose", "activated_by", "edited_by").filter(
        pk=min(sequence_id, _LARGEST_ID)
    )
    sequence = found.first()
    if sequence is None:
        raise Http404(gettext("There is no such sequence."))
    return sequence


def head_of(request: HttpRequest, sequence: Sequence, tab: str) -> dict[str, Any]:
    """Return what the head of each page of a sequence shows."""
    labels = stage_labels()
    places = (
        (gettext("Report"), reverse("sequence", args=[sequence.pk]), "chart-no-axes-column"),
        (gettext("Steps"), reverse("sequence-edit", args=[sequence.pk]), "list-ordered"),
        (gettext("Preview"), reverse("sequence-preview", args=[sequence.pk]), "eye"),
    )
    may_edit = can_edit_sequences(request.user)
    return {
        "sequence": sequence,
        "stage_label": labels.get(sequence.stage, sequence.stage),
        "state": state_badge(sequence),
        "may_edit": may_edit,
        "tabs": [
            Tab(label, url, current=label == tab, icon=icon)
            for label, url, icon in places
            if may_edit or label != gettext("Steps")
        ],
    }


def state_badge(sequence: Sequence) -> tuple[str, Tone, str]:
    """Label, tone and icon of a sequence's state."""
    tone, icon = _STATES[sequence.state]
    return str(SequenceState(sequence.state).label), tone, icon


def way_badge(enrolment: Enrolment) -> tuple[str, Tone, str]:
    """Label, tone and icon of how an enrolment stands."""
    tone, icon = _WAYS[enrolment.state]
    return str(EnrolmentState(enrolment.state).label), tone, icon


def wait_text(step: SequenceStep) -> str:
    """How long a step waits, in words: "3 days and 2 business hours later"."""
    in_hours = step.in_business_hours
    days = ngettext("%(n)s day", "%(n)s days", step.wait_days) % {"n": step.wait_days}
    if in_hours:
        hours = ngettext("%(n)s business hour", "%(n)s business hours", step.wait_hours) % {"n": step.wait_hours}
    else:
        hours = ngettext("%(n)s hour", "%(n)s hours", step.wait_hours) % {"n": step.wait_hours}
    if step.wait_days and step.wait_hours:
        return gettext("%(days)s and %(hours)s later") % {"days": days, "hours": hours}
    if step.wait_hours:
        return gettext("%(time)s later") % {"time": hours}
    if step.wait_days:
        later = gettext("%(time)s later, in business hours") if in_hours else gettext("%(time)s later")
        return later % {"time": days}
    return gettext("at once, in business hours") if in_hours else gettext("at once")


def step_title(step: SequenceStep) -> str:
    """What a step is called: the mail's subject, the call to action, or the tool's reference."""
    return step.subject or step.call_to_action or step.reference


def reason_label(code: str) -> str:
    """A reason of may-contact, or of a stop, in few words."""
    if code in REASONS:
        return str(REASONS[code])
    return str(StopReason(code).label) if code in StopReason.values else code.replace("_", " ")


def ahead_of(enrolment: Enrolment) -> StepRun | None:
    """The step that is ahead of somebody; the runs are loaded."""
    return next((run for run in enrolment.runs.all() if run.state in (StepState.WAITING, StepState.HELD)), None)


def before_of(request: HttpRequest) -> int | None:
    """The id that a page of a list goes on before."""
    given = request.GET.get("before", "")
    return int(given) if given.isascii() and given.isdecimal() and len(given) < 19 else None


__all__ = ["PAGE_SIZE", "ahead_of", "before_of", "head_of", "reason_label", "sequence_or_404", "state_badge",
           "step_title", "wait_text", "way_badge"]  # fmt: skip
