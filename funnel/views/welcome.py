"""The first steps: a definition, a source and its first event, a file, and the first contacts judged."""

from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_noop
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from config.web.pages import add_errors, page, person_of
from config.web.ui import UNDO
from contacts.enums import Scope, SourceKind
from contacts.models import Contact, Source, Standing
from contacts.permissions import (
    can_import,
    can_manage_sources,
    can_publish_definitions,
    can_work_handoffs,
    check_manage_sources,
    check_publish_definitions,
    check_view_contacts,
)
from contacts.selectors.snippets import snippets_for
from contacts.selectors.sources import feed_of
from contacts.services.first_steps import keep_definition, put_checklist_away
from contacts.services.sources import create_source
from funnel.forms.welcome import FirstSourceForm
from funnel.selectors.first_steps import Checklist, keyed_sources, progress_of
from scoring.definition import DefinitionError
from scoring.ideas import IDEAS, idea_of
from scoring.models import Definition
from scoring.selectors import definition_document, published_definition, stage_labels
from scoring.services.approvals import NotPublishable, asked_teams
from scoring.services.publish import order_publication
from scoring.services.sentences import recorded_reasons

_LARGEST_ID: Final = 2**63 - 1
_SHOWN: Final = 10
# In whose session a visit to the first steps is noted: the overview leads there once, the import leads back.
_VISITED: Final = "first_steps"
_STEPS: Final = {
    "definition": (gettext_noop("Definition"), can_publish_definitions),
    "source": (gettext_noop("Source"), can_manage_sources),
    "import": (gettext_noop("Import"), can_import),
    "contacts": (gettext_noop("First contacts"), None),
}


@dataclass(frozen=True, slots=True)
class Choice:
    """A definition to choose: its idea in a paragraph, its stages as (key, label), and who must agree to it."""

    row: Definition
    idea: str | Promise
    stages: tuple[tuple[str, str], ...]
    teams: tuple[str, ...]
    in_force: bool


@dataclass(frozen=True, slots=True)
class Step:
    """A step on the way: ``key`` in the address, whether it is done (None: nobody can tell) and the current one."""

    key: str
    label: str
    url: str
    done: bool
    current: bool


@page(check_view_contacts)
@never_cache
@require_safe
def welcome(request: HttpRequest) -> HttpResponse:
    """Show a step of the way (``?step=``), the first open one by default; who sets nothing up sees where to begin."""
    return _show(request, request.GET.get("step", ""))


@page(check_publish_definitions)
@require_POST
def welcome_definition(request: HttpRequest) -> HttpResponse:
    """Choose what contacts are judged by: keep the one in force, or publish another where nobody is judged yet.

    With contacts, or where teams must agree first, the definition's own page takes over: it shows what would change.
    """
    given = request.POST.get("definition", "")
    if not given.isascii() or not given.isdigit() or len(given) > 18:
        messages.error(request, gettext("Choose one of the definitions."))
        return redirect(_step_url("definition"))
    row = get_object_or_404(Definition, pk=int(given))
    in_force, _ = published_definition()
    person = person_of(request)
    if row.pk == in_force.pk:
        keep_definition(by=person)
        messages.success(request, gettext("%(name)s stays in force.") % {"name": row.name})
        return redirect(_step_url("source"))
    if Contact.objects.exists():
        messages.info(
            request, gettext("There are contacts already: see what it would change for them before you publish it.")
        )
        return redirect("definition-publish", row.pk)
    try:
        order_publication(definition_id=row.pk, by=person, now=timezone.now(), quiet=True)
    except (NotPublishable, DefinitionError) as error:
        messages.warning(request, str(error))
        return redirect("definition-publish", row.pk)
    messages.success(request, gettext("%(name)s is in force from now on.") % {"name": row.name})
    return redirect(_step_url("source"))


@page(check_manage_sources)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def welcome_source(request: HttpRequest) -> HttpResponse:
    """Create a source and show its key, with programs that use it, in this one answer."""
    if request.method != "POST":
        return redirect(_step_url("source"))
    form = FirstSourceForm(request.POST)
    if form.is_valid():
        try:
            made = create_source(
                name=form.cleaned_data["name"],
                public=form.cleaned_data["public"],
                scopes=[Scope.EVENTS_WRITE],
                by=person_of(request),
            )
        except ValidationError as error:
            add_errors(form, error)
        else:
            return _show(request, "source", source=made.source, key=made.key)
    return _show(request, "source", form=form)


@page(check_manage_sources)
@never_cache
@require_safe
def welcome_arrived(request: HttpRequest, source_id: int) -> HttpResponse:
    """Say whether a source's first event is here: the part of the page that asks until it is."""
    source = get_object_or_404(keyed_sources(), pk=min(source_id, _LARGEST_ID))
    return render(request, "funnel/welcome_arrived.html", _arrived(source))


@page(check_view_contacts)
@require_POST
def welcome_dismiss(request: HttpRequest) -> HttpResponse:
    """Put the checklist away for this person; it can be taken back."""
    put_checklist_away(by=person_of(request))
    request.session.pop(_VISITED, None)
    messages.success(request, gettext("The first steps are put away."), extra_tags=f"{UNDO}{reverse('welcome-recall')}")
    return redirect("overview")


@page(check_view_contacts)
@require_POST
def welcome_recall(request: HttpRequest) -> HttpResponse:
    """Bring the checklist back."""
    put_checklist_away(by=person_of(request), away=False)
    return redirect("overview")


def lead_to_first_steps(request: HttpRequest, checklist: Checklist | None) -> HttpResponse | None:
    """Return the way to the first steps where nothing has been done yet, once a session; None: stay here."""
    if checklist is None or not checklist.untouched or _VISITED in request.session:
        return None
    return redirect("welcome")


def _show(
    request: HttpRequest,
    wanted: str,
    *,
    form: FirstSourceForm | None = None,
    source: Source | None = None,
    key: str = "",
) -> HttpResponse:
    person = person_of(request)
    keys = [name for name, (_, can) in _STEPS.items() if can is None or can(person)]
    if len(keys) == 1:
        return render(request, "funnel/welcome_other.html", {"sells": can_work_handoffs(person)})
    if can_manage_sources(person):
        request.session[_VISITED] = True
    progress = progress_of(person)
    done = {item.key: item.done for item in progress.items} if progress else {}
    done["source"] = done.get("source", False) and done.get("event", False)
    done["contacts"] = progress is None or done.get("event", False) or done.get("import", False)
    current = wanted if wanted in keys else next((name for name in keys if not done.get(name, True)), keys[-1])
    steps = [
        Step(name, gettext(_STEPS[name][0]), _step_url(name), done.get(name, False), name == current) for name in keys
    ]
    place = keys.index(current)
    context: dict[str, Any] = {
        "step": current,
        "steps": steps,
        "back_url": _step_url(keys[place - 1]) if place else "",
        "next_url": _step_url(keys[place + 1]) if place + 1 < len(keys) else "",
    }
    if current == "definition":
        context["choices"] = _choices()
    elif current == "source":
        context |= _source_step(form, source, key)
    elif current == "contacts":
        context |= _judged()
    wrong = form is not None and bool(form.errors)
    return render(request, "funnel/welcome.html", context, status=422 if wrong else 200)


def _choices() -> list[Choice]:
    """The shipped definitions, the newest version of each (or the one in force), and one's own in force; 2 queries."""
    in_force, _ = published_definition()
    rows = {row.key: row for row in Definition.objects.filter(key__in=IDEAS).order_by("key", "version")}
    rows[in_force.key] = in_force
    order = [in_force.key, *(key for key in IDEAS if key != in_force.key)]
    found = []
    for row in (rows[key] for key in order if key in rows):
        document = definition_document(row)
        found.append(
            Choice(
                row,
                idea_of(row.key) or document.description,
                tuple((stage.key, stage.label) for stage in document.stages),
                tuple(team.value for team in asked_teams(row)),
                row.pk == in_force.pk,
            )
        )
    return found


def _source_step(form: FirstSourceForm | None, made: Source | None, key: str) -> dict[str, Any]:
    """The latest source with its programs, or a form where there is none."""
    source = made or keyed_sources().filter(revoked_at=None).order_by("-id").first()
    if source is None or form is not None:
        return {"form": form or FirstSourceForm(), "source": None}
    public = source.kind == SourceKind.PUBLIC
    return {
        "source": source,
        "key": key,
        "snippets": snippets_for(base_url=settings.BASE_URL, key=key, public=public),
        "another": FirstSourceForm(initial={"name": ""}),
        **_arrived(source),
    }


def _arrived(source: Source) -> dict[str, Any]:
    return {"source": source, "first": next(iter(feed_of(source).events), None)}


def _judged() -> dict[str, Any]:
    """The latest contacts with the sentence that says why each stands where it does; a fixed number of queries."""
    rows = list(Standing.objects.select_related("contact").order_by("-contact_id")[:_SHOWN])
    reasons = recorded_reasons(contact_ids=[row.contact_id for row in rows], at=timezone.now()) if rows else {}
    return {"judged": [(row, reasons.get(row.contact_id)) for row in rows], "labels": stage_labels()}


def _step_url(step: str) -> str:
    return f"{reverse('welcome')}?step={step}"
