"""The editor of a sequence: what it is, and a row for each step."""

import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.forms import BaseFormSet, formset_factory
from django.utils.translation import gettext_lazy

from contacts.selectors.consent import all_purposes
from funnel.enums import StepChannel
from funnel.models import SequenceStep
from funnel.nurturing import LONGEST_DAYS, LONGEST_HOURS, MOST_STEPS
from funnel.services.sequences.drafting import SequencePlan, StepPlan
from scoring.selectors import stage_labels

# What a new step begins with: a mail three days later.
NEW_STEP: Final[Mapping[str, Any]] = {
    "channel": StepChannel.EMAIL.value,
    "wait_days": 3,
    "wait_hours": 0,
    "in_business_hours": True,
}
_ORDER: Final = re.compile(r"(add|up|down|remove)(?:-([0-9]{1,3}))?")


class SequenceForm(forms.Form):
    """What a sequence is."""

    name = forms.CharField(
        label=gettext_lazy("Name"), max_length=100, help_text=gettext_lazy("For you; contacts do not see it.")
    )
    stage = forms.ChoiceField(label=gettext_lazy("For contacts who stand at"))
    purpose = forms.ChoiceField(
        label=gettext_lazy("What they are written to about"),
        help_text=gettext_lazy("Consent is asked of this purpose."),
    )
    description = forms.CharField(label=gettext_lazy("What it is for"), max_length=300, required=False)

    def __init__(self, *args: Any, fixed_stage: str = "", **kwargs: Any) -> None:
        """Offer the stages and purposes there are; ``fixed_stage``: the only one, of a sequence that was active."""
        super().__init__(*args, **kwargs)
        labels = stage_labels()
        stage, purpose = self.fields["stage"], self.fields["purpose"]
        if isinstance(stage, forms.ChoiceField) and isinstance(purpose, forms.ChoiceField):
            stage.choices = [(fixed_stage, labels.get(fixed_stage, fixed_stage))] if fixed_stage else [*labels.items()]
            purpose.choices = [(row.key, row.label) for row in all_purposes()]

    def plan(self, steps: Iterable[StepPlan] = ()) -> SequencePlan:
        """Return what was said, with these steps."""
        return SequencePlan(**self.cleaned_data, steps=tuple(steps))


class StepForm(forms.Form):
    """One step: how long to wait, and what to send how."""

    key = forms.UUIDField(required=False, widget=forms.HiddenInput)
    wait_days = forms.IntegerField(label=gettext_lazy("Wait days"), min_value=0, max_value=LONGEST_DAYS, initial=0)
    wait_hours = forms.IntegerField(label=gettext_lazy("and hours"), min_value=0, max_value=LONGEST_HOURS, initial=0)
    in_business_hours = forms.BooleanField(label=gettext_lazy("Only while the team works"), required=False)
    channel = forms.ChoiceField(label=gettext_lazy("By"), choices=StepChannel.choices)
    call_to_action = forms.CharField(
        label=gettext_lazy("Call to action"),
        max_length=200,
        required=False,
        widget=forms.TextInput(attrs={"list": "calls", "autocomplete": "off"}),
        help_text=gettext_lazy("One that the stage takes, or in other words for the same."),
    )
    reference = forms.CharField(
        label=gettext_lazy("Reference"),
        max_length=200,
        required=False,
        help_text=gettext_lazy("What the tool knows the message by. Webhook only."),
    )
    subject = forms.CharField(
        label=gettext_lazy("Subject"), max_length=200, required=False, help_text=gettext_lazy("E-mail only.")
    )
    body = forms.CharField(
        label=gettext_lazy("Text"),
        required=False,
        strip=False,
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 7}),
    )

    use_required_attribute = False


StepForms = formset_factory(StepForm, extra=0, max_num=MOST_STEPS + 1, absolute_max=MOST_STEPS + 20)


class EnrolForm(forms.Form):
    """Whom to enrol."""

    contact = forms.CharField(label=gettext_lazy("E-mail address or contact number"), max_length=254)


def rows_of(steps: Iterable[SequenceStep]) -> list[dict[str, Any]]:
    """Return steps as the rows' initial values."""
    return [{name: getattr(step, name) for name in StepForm.base_fields} for step in steps]


def reordered(data: Mapping[str, Any], order: str) -> list[dict[str, Any]] | None:
    """Return the rows of a posted editor as they stand after ``order``, unchecked; None where it is no order.

    ``add``, or ``up-2``, ``down-2``, ``remove-2`` with the number of a row, counted from 0.
    """
    found = _ORDER.fullmatch(order)
    if found is None:
        return None
    try:
        total = min(int(data.get("form-TOTAL_FORMS", 0)), MOST_STEPS + 1)
    except ValueError:
        total = 0
    rows = [{name: data.get(f"form-{number}-{name}", "") for name in StepForm.base_fields} for number in range(total)]
    act, place = found.group(1), int(found.group(2) or 0)
    if act == "add":
        return [*rows, dict(NEW_STEP)] if len(rows) < MOST_STEPS else rows
    if place < len(rows):
        row = rows.pop(place)
        if act != "remove":
            rows.insert(max(place - 1, 0) if act == "up" else place + 1, row)
    return rows


def plans_in(rows: "BaseFormSet[StepForm]") -> list[StepPlan]:
    """Return the steps of valid rows."""
    return [StepPlan(**{**row.cleaned_data, "key": _key(row.cleaned_data.get("key"))}) for row in rows.forms]


def place_errors(form: SequenceForm, rows: "BaseFormSet[StepForm]", error: ValidationError) -> None:
    """Put what saving refused beside the field, or the field of the step, that it names."""
    problems: Mapping[str, Sequence[Any]] = error.message_dict if hasattr(error, "error_dict") else {"": error.messages}
    for where, texts in problems.items():
        parts = where.split(".")
        if len(parts) == 3 and int(parts[1]) < len(rows.forms):
            rows.forms[int(parts[1])].add_error(parts[2] if parts[2] in StepForm.base_fields else None, list(texts))
        else:
            form.add_error(where if where in form.fields else None, list(texts))


def _key(value: object) -> uuid.UUID | None:
    return value if isinstance(value, uuid.UUID) else None
