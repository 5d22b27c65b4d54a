"""Lead-capture forms of a source: the list, the editor with a row for each question, and what to paste elsewhere."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import Count, Q
from django.forms import BaseFormSet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from config.web.pages import add_errors, page, person_of
from contacts.forms.capture import CaptureForm, FieldForm, FieldForms, NewFormForm, row_numbers, rows_of, settings_of
from contacts.forms.public import TRAP, VisitorForm
from contacts.ingest.form_fields import TRAITS
from contacts.models import Form
from contacts.permissions import check_manage_forms
from contacts.services.forms import apply_plan, create_form, save_form
from contacts.views.sources import source_or_404

_LARGEST_ID = 2**63 - 1
_SHOWN = 100


@page(check_manage_forms)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def forms(request: HttpRequest, source_id: int) -> HttpResponse:
    """List the forms of a source with how many answered; make one and go on to its editor."""
    source = source_or_404(source_id)
    new = NewFormForm()
    if request.method == "POST":
        new = NewFormForm(request.POST)
        if new.is_valid():
            try:
                made = create_form(source=source, name=new.cleaned_data["name"], by=person_of(request))
                return redirect("form-edit", made.pk)
            except ValidationError as error:
                add_errors(new, error)
    rows = (
        Form.objects.filter(source=source)
        .annotate(sent=Count("submissions"), confirmed=Count("submissions", Q(submissions__confirmed_at__isnull=False)))
        .order_by("name")[:_SHOWN]
    )
    context = {"source": source, "rows": rows, "new": new}
    return render(request, "contacts/forms.html", context, status=422 if new.errors else 200)


@page(check_manage_forms)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def form_edit(request: HttpRequest, form_id: int) -> HttpResponse:
    """Show and change a form; with ``do=preview``, show what it would look like without changing it."""
    form = get_object_or_404(Form.objects.select_related("source", "purpose"), pk=min(form_id, _LARGEST_ID))
    if request.method != "POST":
        return _editor(request, form, CaptureForm(initial=settings_of(form)), FieldForms(initial=rows_of(form)))
    editor, rows = CaptureForm(request.POST), FieldForms(request.POST)
    # Both are asked, so that everything wrong is shown at once.
    if not all([editor.is_valid(), rows.is_valid()]):
        return _editor(request, form, editor, rows)
    try:
        if request.POST.get("do") == "preview":
            apply_plan(form, editor.plan(rows))
            return _editor(request, form, editor, rows, previewed=True)
        save_form(form=form, plan=editor.plan(rows), by=person_of(request))
    except ValidationError as error:
        _place_errors(editor, rows, error)
        form.refresh_from_db()
        return _editor(request, form, editor, rows)
    messages.success(request, gettext("Saved. What visitors see is this from now on."))
    return redirect("form-edit", form.pk)


def _editor(
    request: HttpRequest,
    form: Form,
    editor: CaptureForm,
    rows: "BaseFormSet[FieldForm]",
    *,
    previewed: bool = False,
) -> HttpResponse:
    wrong = bool(editor.errors) or rows.total_error_count() > 0
    preview = VisitorForm(form, label_suffix="", auto_id="preview_%s")
    url = settings.BASE_URL + reverse("form", args=[form.token])
    context: dict[str, Any] = {
        "form": form,
        "editor": editor,
        "rows": rows,
        "traits": TRAITS,
        "preview": preview,
        "previewed": previewed,
        "url": url,
        "snippet": _snippet(form, url),
        "wrong": wrong,
    }
    return render(request, "contacts/form_edit.html", context, status=422 if wrong else 200)


def _snippet(form: Form, url: str) -> str:
    """Return plain HTML for the owner's own site: it needs no script and brings no style."""
    context = {"form": form, "visitor": VisitorForm(form, label_suffix="", auto_id=""), "url": url, "trap": TRAP}
    lines = render_to_string("contacts/form_snippet.html", context).splitlines()
    return "\n".join(line for line in lines if line.strip())


def _place_errors(editor: CaptureForm, rows: "BaseFormSet[FieldForm]", error: ValidationError) -> None:
    """Put what saving refused beside the field or the row that it names."""
    numbers = row_numbers(rows)
    problems = error.message_dict if hasattr(error, "error_dict") else {"": error.messages}
    for where, texts in problems.items():
        parts = where.split(".")
        if parts[0] == "fields" and len(parts) == 3 and int(parts[1]) < len(numbers):
            row = rows.forms[numbers[int(parts[1])]]
            row.add_error(parts[2] if parts[2] in row.fields else None, texts)
        else:
            editor.add_error(where if where in editor.fields else None, texts)
