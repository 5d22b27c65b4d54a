"""Making drafts and throwing them away: from another version, from YAML."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_POST

from config.web.pages import page, person_of
from contacts.permissions import check_edit_definitions
from scoring.definition import DefinitionError
from scoring.enums import DefinitionState
from scoring.forms.checking import check_yaml
from scoring.forms.importing import ImportForm
from scoring.models import Definition
from scoring.services.drafts import NotADraft, copy_to_draft, discard_draft, store_draft
from scoring.views.definition_head import full_name, head_of, refusal_words
from scoring.wording import problem_words

# What a new definition begins with: sound, and short enough to be read at once.
_SMALLEST = """\
key: our-definition
name: Our definition
description: What we call lead and customer.
stages:
- key: lead
  label: Lead
  owner: marketing
  description: Everybody we know.
  communication: One-to-many.
- key: customer
  label: Customer
  owner: sales
  description: Bought something.
  communication: Success and referral.
  enter:
    count:
      of: purchase
evidence:
  purchase:
    label: a purchase
    any_of:
    - kinds: [purchased]
"""


@page(check_edit_definitions)
@require_POST
def definition_copy(request: HttpRequest, definition_id: int) -> HttpResponse:
    """Make a draft, the next version of the same key, and go on in its editor."""
    row = get_object_or_404(Definition, pk=definition_id)
    try:
        draft = copy_to_draft(definition_id=row.pk, by=person_of(request))
    except DefinitionError as error:
        messages.error(request, gettext("No draft was made: %(problems)s") % {"problems": refusal_words(error)})
        return redirect("definition", row.pk)
    said = gettext("This is v%(version)s, a draft made from v%(former)s.")
    messages.success(request, said % {"version": draft.version, "former": row.version})
    return redirect("definition-edit", draft.pk)


@page(check_edit_definitions)
@require_http_methods(["GET", "HEAD", "POST"])
def definition_discard(request: HttpRequest, definition_id: int) -> HttpResponse:
    """Ask, and then delete a draft with its trial runs."""
    row = get_object_or_404(Definition, pk=definition_id)
    if request.method != "POST" and row.state == DefinitionState.DRAFT:
        return render(request, "scoring/discard.html", head_of(row, tab="definition"))
    try:
        discard_draft(definition_id=row.pk, by=person_of(request))
    except NotADraft as error:
        messages.error(request, str(error))
        return redirect("definition", row.pk)
    messages.success(request, gettext("The draft %(definition)s is gone.") % {"definition": full_name(row)})
    return redirect("definitions")


@page(check_edit_definitions)
@require_http_methods(["GET", "HEAD", "POST"])
def definition_import(request: HttpRequest) -> HttpResponse:
    """Make a draft of YAML, pasted or from a file; what is not sound is shown again with its problems."""
    start = {"yaml": _SMALLEST} if request.GET.get("new") else None
    form = ImportForm(request.POST or None, request.FILES or None, initial=start)
    if request.method != "POST" or not form.is_valid():
        return render(request, "scoring/import_definition.html", {"form": form})
    document, problems = check_yaml(form.cleaned_data["yaml"])
    if document is None or problems:
        shown = ImportForm(initial={"yaml": form.cleaned_data["yaml"]})
        context = {"form": shown, "problems": [(problem.path, problem_words(problem)) for problem in problems]}
        return render(request, "scoring/import_definition.html", context)
    draft = store_draft(document=document, by=person_of(request))
    messages.success(request, gettext("Imported as %(definition)s, a draft.") % {"definition": full_name(draft)})
    return redirect("definition-edit", draft.pk)
