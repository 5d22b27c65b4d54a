"""The editor of drafts: forms or YAML over one draft. Nothing is stored until it is saved, and only what is sound."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_http_methods, require_POST

from config.web.formats import format_number
from config.web.pages import page, person_of
from contacts.models import Source
from contacts.permissions import check_edit_definitions
from scoring.definition import DefinitionDocument, DefinitionError, Problem
from scoring.enums import DefinitionState
from scoring.forms.checking import (
    CannotRead,
    Checked,
    TooLargeForForm,
    check_state,
    check_yaml,
    read_form,
    show_document,
    yaml_of,
)
from scoring.forms.edits import CannotEdit, edit
from scoring.forms.shapes import State, Wrong
from scoring.matching import load_kinds
from scoring.models import Definition
from scoring.selectors import definition_document
from scoring.services.drafts import DraftConflict, NotADraft, change_draft, other_key
from scoring.views.definition_head import full_name, head_of
from scoring.views.editor_parts import FormView, place_words
from scoring.views.editor_views import Vocabulary
from scoring.views.plain import PlainStage, plain_stage
from scoring.wording import kind_phrase, problem_words

# Attributes that every installation has; custom ones are named attributes.<name>.
_ATTRIBUTES = (
    "job_title", "role", "country", "means", "authority", "details_confirmed", "email", "phone",
    "company.name", "company.domain", "company.industry", "company.employees", "company.country",
)  # fmt: skip
_OWN_FIELDS = frozenset({"csrfmiddlewaretoken", "do", "revision", "view", "yaml"})


@dataclass(frozen=True, slots=True)
class Remark:
    """A problem for the list of problems: where it is in words, where in the form, and what to do."""

    place: str
    name: str
    message: str


@dataclass(frozen=True, slots=True)
class StagePreview:
    """A stage in words; ``plain`` is None while its criteria have problems."""

    key: str
    label: str
    plain: PlainStage | None


@dataclass(slots=True)
class Desk:
    """What is being edited: a form (``state``) or YAML (``text``), the revision it began from, and what was found."""

    row: Definition
    revision: int
    state: State = None
    text: str = ""
    document: DefinitionDocument | None = None
    remarks: Sequence[Remark] = ()
    wrong: dict[str, str] = field(default_factory=dict)
    notes: list[tuple[str, str, str]] = field(default_factory=list)
    conflict: Definition | None = None
    order: str = ""
    at: str = ""

    @property
    def is_form(self) -> bool:
        """Whether the form is shown, not YAML."""
        return self.state is not None


@page(check_edit_definitions)
@require_http_methods(["GET", "HEAD", "POST"])
def definition_edit(request: HttpRequest, definition_id: int) -> HttpResponse:
    """Edit a draft. Every button posts the whole form: ``do`` says which; only ``save`` stores anything."""
    row = get_object_or_404(Definition.objects.select_related("edited_by"), pk=definition_id)
    if row.state != DefinitionState.DRAFT:
        said = gettext("%(definition)s is published and never changes. Edit it as a new draft.")
        messages.info(request, said % {"definition": full_name(row)})
        return redirect("definition", row.pk)
    if request.method != "POST":
        return _render(request, _opened(row, as_yaml=request.GET.get("view") == "yaml"))
    order = request.POST.get("do", "check")
    try:
        desk = _posted(request, row)
        if order.startswith("overwrite:"):
            # Over what the conflict showed, and over nothing later.
            desk.revision = _number(order.partition(":")[2])
            order = "save"
    except CannotRead as error:
        return _refused(request, row, str(error))
    if order == "save":
        return _save(request, desk)
    _carry_out(desk, order)
    return _render(request, desk)


@page(check_edit_definitions)
@require_POST
def definition_check(request: HttpRequest, definition_id: int) -> HttpResponse:
    """What is wrong with a form as it is typed, and what it says in words; stores nothing."""
    row = get_object_or_404(Definition, pk=definition_id)
    try:
        desk = _posted(request, row)
    except CannotRead as error:
        return _refused(request, row, str(error))
    _check(desk)
    return render(request, "scoring/editor_aside.html", _aside(desk))


def _opened(row: Definition, *, as_yaml: bool) -> Desk:
    document = definition_document(row)
    desk = Desk(row, row.revision, document=document)
    try:
        desk.state = show_document(document)
    except TooLargeForForm as error:
        as_yaml = True
        desk.notes.append(("note", gettext("Only as YAML"), str(error)))
    if as_yaml:
        desk.state, desk.text = None, yaml_of(row.document)
    return desk


def _posted(request: HttpRequest, row: Definition) -> Desk:
    """What was typed; raises CannotRead where it is no form of this page."""
    desk = Desk(row, _number(request.POST.get("revision", "")))
    if request.POST.get("view") == "yaml":
        desk.text = request.POST.get("yaml", "").replace("\r\n", "\n")
        return desk
    fields = [(name, list(values)) for name, values in request.POST.lists() if name not in _OWN_FIELDS]
    desk.state = read_form(((name, [str(value) for value in values]) for name, values in fields), key=row.key)
    return desk


def _number(revision: str) -> int:
    if not (revision.isdecimal() and revision.isascii() and len(revision) < 10):
        raise CannotRead(gettext("The form does not say which revision it began from. Load the page anew."))
    return int(revision)


def _check(desk: Desk) -> Checked | None:
    """Find what is wrong and note it on the desk; the checked form, None for YAML."""
    if not desk.is_form:
        desk.document, problems = check_yaml(desk.text)
        problems = [*problems, *_key_problems(desk)]
        desk.remarks = [Remark(problem.path, "yaml", problem_words(problem)) for problem in problems]
        return None
    checked = check_state(desk.state)
    desk.document = checked.document
    desk.wrong = {wrong.name: wrong.message for wrong in checked.problems}
    desk.remarks = [_remark(desk.state, wrong) for wrong in checked.problems]
    return checked


def _key_problems(desk: Desk) -> list[Problem]:
    if desk.document is None or desk.document.key == desk.row.key:
        return []
    return [other_key(desk.row)]


def _remark(state: State, wrong: Wrong) -> Remark:
    return Remark(place_words(state, wrong.name), wrong.name, wrong.message)


def _carry_out(desk: Desk, order: str) -> None:
    """Do what a button asks: change the form or turn to the other view."""
    if order == "view:yaml" and desk.is_form:
        checked = check_state(desk.state)
        desk.state, desk.text = None, yaml_of(checked.plain)
    elif order == "view:form" and not desk.is_form:
        _check(desk)
        if desk.document is not None and not _key_problems(desk):
            try:
                desk.state = show_document(desk.document)
            except TooLargeForForm as error:
                desk.notes.append(("warn", gettext("Still as YAML"), str(error)))
        else:
            said = gettext("The form can show it once the problems beside it are solved.")
            desk.notes.append(("warn", gettext("Still as YAML"), said))
    elif desk.is_form and order not in ("check", "view:form"):
        try:
            desk.at, desk.order = edit(desk.state, order), order
        except CannotEdit as error:
            desk.notes.append(("warn", gettext("Nothing changed"), str(error)))
    _check(desk)
    if desk.order.startswith("add:"):
        # Nobody has had a chance yet to fill in what was just added.
        desk.wrong = {name: said for name, said in desk.wrong.items() if not f"{name}.".startswith(f"{desk.at}.")}


def _save(request: HttpRequest, desk: Desk) -> HttpResponse:
    _check(desk)
    if desk.remarks or desk.document is None:
        count = len(desk.remarks)
        pattern = ngettext("There is a problem to solve first.", "There are %(number)s problems to solve first.", count)
        desk.notes.append(("bad", gettext("Nothing was saved"), pattern % {"number": format_number(count)}))
        return _render(request, desk)
    try:
        stored = change_draft(
            definition_id=desk.row.pk,
            document=desk.document,
            by=person_of(request),
            revision=desk.revision,
            now=timezone.now(),
        )
    except DefinitionError as error:
        desk.remarks = [Remark(problem.path, "", problem_words(problem)) for problem in error.problems]
        return _render(request, desk)
    except DraftConflict as conflict:
        desk.conflict = Definition.objects.get(pk=desk.row.pk)
        desk.notes.append(("bad", gettext("Somebody else saved this draft meanwhile"), str(conflict)))
        return _render(request, desk)
    except NotADraft as error:
        messages.error(request, str(error))
        return redirect("definition", desk.row.pk)
    said = gettext("Saved as revision %(number)s.") % {"number": format_number(stored.revision)}
    if not request.htmx:  # type: ignore[attr-defined]  # django-htmx adds it
        messages.success(request, said)
        return redirect(f"{request.path}?view=yaml" if not desk.is_form else request.path)
    desk.row, desk.revision = stored, stored.revision
    return _render(request, desk, said=said)


def _render(request: HttpRequest, desk: Desk, *, said: str = "") -> HttpResponse:
    # What was mapped can still be named by itself, though it is counted as its target anyway.
    kinds = [(kind.sent_as or kind.name, kind_phrase(kind.sent_as or kind.name)) for kind in load_kinds()]
    sources = [(name, name) for name in Source.objects.order_by("name").values_list("name", flat=True)]
    # A browser that has a focus already warns of autofocus; the page's script moves it then.
    focus = "data-focus" if request.htmx else "autofocus"  # type: ignore[attr-defined]  # django-htmx adds it
    context: dict[str, Any] = {
        **head_of(desk.row, tab="definition-edit"),
        **_aside(desk),
        "said": said,
        "focus": focus,
        "discard_url": reverse("definition-discard", args=[desk.row.pk]),
        "sections": [],
    }
    if desk.is_form:
        vocabulary = Vocabulary(kinds, sources, _ATTRIBUTES)
        view = FormView(desk.state, wrong=desk.wrong, vocabulary=vocabulary, order=desk.order, at=desk.at, focus=focus)
        context |= {"sections": view.sections(), "attributes": vocabulary.attributes}
    return render(request, "scoring/editor.html", context)


def _aside(desk: Desk) -> dict[str, Any]:
    return {"desk": desk, "row": desk.row, "remarks": desk.remarks, "previews": _previews(desk)}


def _previews(desk: Desk) -> list[StagePreview]:
    """The stages in words, strongest first, as far as there are words for them."""
    document = desk.document
    if document is None:
        return []
    names = [remark.name for remark in desk.remarks]
    tokens = list(desk.state["stages"]) if desk.is_form else []
    found = []
    for index, stage in enumerate(document.stages):
        at = f"stages.{tokens[index]}" if index < len(tokens) else f"stages[{index}]"
        broken = any(name.startswith(f"{at}.") or name == at for name in names)
        broken = broken or any(remark.place.startswith(at) for remark in desk.remarks)
        found.append(StagePreview(stage.key, stage.label, None if broken else plain_stage(stage, document)))
    return found[::-1]


def _refused(request: HttpRequest, row: Definition, message: str) -> HttpResponse:
    return render(
        request, "scoring/editor_refused.html", {**head_of(row, tab="definition-edit"), "message": message}, status=400
    )
