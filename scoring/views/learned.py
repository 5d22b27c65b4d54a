"""The learned score of a definition: train it, see what it weighs, build it into a draft; and notices about it."""

from datetime import datetime
from importlib.util import find_spec
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import gettext, gettext_noop
from django.views.decorators.http import require_http_methods, require_POST

from config.web.formats import format_exact
from config.web.pages import page, person_of, safe_next
from contacts.permissions import check_edit_definitions, check_run_definitions, check_see_definitions
from contacts.services.work import CannotRun
from scoring.definition import DefinitionError
from scoring.enums import RunKind
from scoring.learning import NothingToTrainWith
from scoring.models import Definition, LearnedModel, Notice
from scoring.services.learning import model_view, use_model
from scoring.services.watching import dismiss_notice
from scoring.views.definition_head import full_name, refusal_words
from scoring.views.trial_forms import BacktestForm
from scoring.views.trials import order, show

_SHOWN = 3
_TITLES = {
    "ready": gettext_noop("What was learned"),
    "replaced": gettext_noop("Learned before"),
    "disabled": gettext_noop("Switched off"),
}


@page(check_see_definitions)
@require_http_methods(["GET", "HEAD", "POST"])
def learn(request: HttpRequest, definition_id: int) -> HttpResponse:
    """Show what was learned for the definition; a POST trains anew."""
    row = get_object_or_404(Definition, pk=definition_id)
    form = BacktestForm(request.POST if request.method == "POST" else None)
    if request.method == "POST":
        check_run_definitions(request.user)
        if form.is_valid():
            return order(request, row, RunKind.LEARN, parameters=form.parameters())
    models = LearnedModel.objects.filter(definition=row).select_related("definition").order_by("-id")[:_SHOWN]
    extra = {
        "models": [_shown(model) for model in models],
        "unavailable": "" if find_spec("sklearn") else gettext(str(NothingToTrainWith())),
    }
    return show(request, row, RunKind.LEARN, form=form, extra=extra)


def _shown(model: LearnedModel) -> dict[str, Any]:
    view = model_view(model)
    drift = view.get("drift")
    return {
        **view,
        "title": gettext(_TITLES.get(view["state"], _TITLES["disabled"])),
        "aside": gettext("trained %(when)s") % {"when": format_exact(datetime.fromisoformat(view["trained_at"]))},
        "drift": drift.get("stability_index") if isinstance(drift, dict) else drift,
    }


@page(check_edit_definitions)
@require_POST
def use(request: HttpRequest, definition_id: int, model_id: int) -> HttpResponse:
    """Build a learned score into a new draft of its definition."""
    get_object_or_404(LearnedModel, pk=model_id, definition=definition_id)
    try:
        draft = use_model(model_id=model_id, by=person_of(request))
    except (CannotRun, DefinitionError) as error:
        messages.error(request, refusal_words(error))
        return redirect("definition-learn", definition_id)
    said = gettext("%(definition)s is a draft with the learned score built in.")
    messages.success(request, said % {"definition": full_name(draft)})
    return redirect("definition", draft.pk)


@page(check_edit_definitions)
@require_POST
def dismiss(request: HttpRequest, notice_id: int) -> HttpResponse:
    """Put a notice away for everybody."""
    get_object_or_404(Notice, pk=notice_id)
    dismiss_notice(notice_id=notice_id, by=person_of(request), now=timezone.now())
    return redirect(safe_next(request, "/definitions/"))
