"""Sources, people, and one's own account. Keys and first passwords are shown once, in the answer that made them."""

import secrets
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from config.web.pages import page, person_of
from contacts.enums import Role, SourceKind
from contacts.forms import PersonForm, SourceForm, TokenForm
from contacts.models import Kind, PersonalToken, Source
from contacts.permissions import check_manage_sources, check_manage_team, check_view_contacts, roles_of
from contacts.services.people import create_person, create_token
from contacts.services.sources import create_source

_KINDS_SHOWN = 200


@page(check_manage_sources)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def sources(request: HttpRequest) -> HttpResponse:
    """List sources and unmapped kinds; create a source and show its key once."""
    form, key = SourceForm(), ""
    if request.method == "POST":
        form = SourceForm(request.POST)
        if form.is_valid():
            try:
                key = create_source(by=person_of(request), **form.cleaned_data).key
                form = SourceForm()
            except ValidationError as error:
                _add(form, error)
    context = {
        "form": form,
        "key": key,
        "rows": Source.objects.exclude(kind=SourceKind.INTERNAL).order_by("name"),
        "kinds": Kind.objects.filter(introduced_by__isnull=False)
        .exclude(introduced_by__kind=SourceKind.INTERNAL)
        .select_related("introduced_by")
        .order_by("name")[:_KINDS_SHOWN],
    }
    return render(request, "contacts/sources.html", context, status=422 if form.errors else 200)


@page(check_manage_team)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def team(request: HttpRequest) -> HttpResponse:
    """List people with their roles; make an account and show its first password once."""
    form, made, password = PersonForm(), None, ""
    if request.method == "POST":
        form = PersonForm(request.POST)
        if form.is_valid():
            first = secrets.token_urlsafe(12)
            try:
                made = create_person(
                    email=form.cleaned_data["email"],
                    role=Role(form.cleaned_data["role"]),
                    password=first,
                    by=person_of(request),
                )
                form, password = PersonForm(), first
            except ValidationError as error:
                _add(form, error)
    people = (
        User.objects.filter(Q(groups__isnull=False) | Q(is_superuser=True))
        .distinct()
        .prefetch_related("groups")
        .order_by("-is_active", "first_name", "last_name", "username")
    )
    labels = dict(Role.choices)
    rows = [(one, [labels.get(group.name, group.name) for group in one.groups.all()]) for one in people]
    context = {"form": form, "made": made, "password": password, "rows": rows}
    return render(request, "contacts/team.html", context, status=422 if form.errors else 200)


@page(check_view_contacts)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def account(request: HttpRequest) -> HttpResponse:
    """Show who one is and one's tokens; mint a token and show it once."""
    person = person_of(request)
    form, key = TokenForm(), ""
    if request.method == "POST":
        form = TokenForm(request.POST)
        if form.is_valid():
            key = create_token(user=person, name=form.cleaned_data["name"], by=person).key
            form = TokenForm()
    context = {
        "form": form,
        "key": key,
        "roles": [role.label for role in Role if role in roles_of(person)],
        "tokens": PersonalToken.objects.filter(user=person).order_by("-created_at"),
    }
    return render(request, "contacts/account.html", context, status=422 if form.errors else 200)


def _add(form: forms.Form, error: ValidationError) -> None:
    """Put what a service refused beside the field it names."""
    problems: dict[str, Any] = error.message_dict if hasattr(error, "error_dict") else {"": error.messages}
    for name, texts in problems.items():
        form.add_error(name if name in form.fields else None, texts)
