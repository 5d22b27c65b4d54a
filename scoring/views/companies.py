"""Companies, and one of them with its people, where they stand and what is known of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext, gettext_noop, ngettext
from django.views.decorators.http import require_http_methods, require_safe

from config.web.formats import format_number
from config.web.icons import kind_icon, stage_icon
from config.web.pages import link_with, page, person_of
from config.web.ui import Chip, Tab
from contacts.forms.companies import CompanyForm
from contacts.models import Company, CompanyChange, Event
from contacts.permissions import can_create_contacts, can_export, check_create_contacts, check_view_contacts
from contacts.selectors.companies import (
    COUNT_CAP,
    CompanyRow,
    browse_companies,
    company_row,
    history_of,
    latest_events_of,
    people_of,
)
from contacts.services.company_records import CompanyTaken, change_company
from contacts.services.record import internal_source
from scoring.selectors import stage_labels
from scoring.selectors.timeline import sentence_case
from scoring.wording import kind_phrase

# What of a company changes, by name; translated where it is told.
_CHANGED = (
    gettext_noop("Name"),
    gettext_noop("Domain"),
    gettext_noop("Industry"),
    gettext_noop("Employees"),
    gettext_noop("Country"),
)


@dataclass(frozen=True, slots=True)
class Said:
    """Something that was said about a company: which attribute took which value since when, and who said so."""

    what: str
    value: str
    since: datetime
    who: str


@dataclass(frozen=True, slots=True)
class Happening:
    """An event of one of a company's people."""

    contact_id: int
    name: str
    title: str
    icon: str
    at: datetime


@page(check_view_contacts)
@require_safe
def companies(request: HttpRequest) -> HttpResponse:
    """List companies by name: search by name or domain, people counted by stage, keyset paging."""
    labels = stage_labels()
    text = request.GET.get("q", "").replace("\0", "").strip()[:200]
    after = request.GET.get("after", "")
    found = browse_companies(text=text, after=after)
    context = {
        "rows": [(row, _counts(row, labels)) for row in found.rows],
        "text": text,
        "chips": [Chip(gettext("Search"), text, link_with(request.GET, q=None))] if text else [],
        "clear_url": link_with(request.GET, q=None),
        "summary": ngettext("%(number)s company", "%(number)s companies", len(found.rows))
        % {"number": format_number(len(found.rows))},
        "next_url": link_with(request.GET, after=found.next) if found.next else "",
        "first_url": link_with(request.GET) if after else "",
        "may_export": can_export(request.user),
        "cap": COUNT_CAP,
    }
    return render(request, "scoring/companies.html", context)


@page(check_view_contacts)
@require_http_methods(["GET", "HEAD", "POST"])
def company(request: HttpRequest, company_id: int) -> HttpResponse:
    """Show a company, its people and what they did lately; take what a person says about it as facts of now."""
    found = get_object_or_404(Company, pk=company_id)
    form = CompanyForm(request.POST if request.method == "POST" else None, company=found)
    if request.method == "POST":
        check_create_contacts(request.user)
        if form.is_valid() and _save(request, found, form):
            return redirect("company", found.pk)
    labels = stage_labels()
    row = company_row(found)
    stage, after = request.GET.get("stage", ""), request.GET.get("after", "")
    people = people_of(found.pk, stage=stage if stage in labels else "", after=after)
    context = {
        "company": found,
        "labels": labels,
        "tabs": _tabs(request, row, labels, stage),
        "people": people.rows,
        "summary": gettext("%(shown)s of %(total)s")
        % {
            "shown": format_number(len(people.rows)),
            "total": f"{format_number(row.people)}{'+' if row.more else ''}",
        },
        "next_url": link_with(request.GET, after=people.next) if people.next else "",
        "first_url": link_with(request.GET) if after else "",
        "events": [_happening(event) for event in latest_events_of(found.pk)],
        "history": [_said(change) for change in history_of(found.pk)],
        "form": form if can_create_contacts(request.user) else None,
    }
    return render(request, "scoring/company.html", context, status=422 if form.errors else 200)


def _save(request: HttpRequest, found: Company, form: CompanyForm) -> bool:
    said: dict[str, Any] = form.cleaned_data["said"]
    if not said:
        messages.info(request, gettext("Nothing was changed."))
        return True
    try:
        change_company(
            company_id=found.pk, source=internal_source(), by=person_of(request), given=said, now=timezone.now()
        )
    except CompanyTaken as taken:
        form.add_error(taken.field, str(taken))
        return False
    messages.success(request, gettext("Saved. Its people are judged anew within seconds."))
    return True


def _counts(row: CompanyRow, labels: dict[str, str]) -> list[tuple[str, str, int]]:
    """Key, label and number of each stage that its people stand at, strongest first."""
    known = [key for key in labels if row.stages.get(key)]
    return [(key, labels[key], row.stages[key]) for key in reversed(known)]


def _tabs(request: HttpRequest, row: CompanyRow, labels: dict[str, str], stage: str) -> list[Tab]:
    tabs = [Tab(gettext("All"), link_with(request.GET, stage=None), stage not in labels, row.people, row.more)]
    for key, label in labels.items():
        url = link_with(request.GET, stage=key)
        tabs.append(Tab(label, url, stage == key, row.stages.get(key, 0), row.more, icon=stage_icon(key), stage=key))
    return tabs


def _happening(event: Event) -> Happening:
    name = event.kind.judged.name
    return Happening(
        contact_id=event.contact_id,
        name=event.contact.display_name,
        title=sentence_case(kind_phrase(name)),
        icon=kind_icon(name),
        at=event.occurred_at,
    )


def _said(change: CompanyChange) -> Said:
    who = change.by.get_full_name() or change.by.email if change.by else change.source.name if change.source else ""
    value = format_number(change.value) if isinstance(change.value, int) else str(change.value or gettext("not known"))
    return Said(gettext(change.name.capitalize()), value, change.effective_at, who)
