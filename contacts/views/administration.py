"""People, and one's own account. Tokens and first passwords are shown once, in the answer that made them."""

import secrets

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from config.web.pages import add_errors, page, person_of
from contacts.enums import Role
from contacts.forms import PersonForm, TokenForm
from contacts.models import PersonalToken
from contacts.permissions import check_manage_team, check_view_contacts, roles_of
from contacts.services.people import create_person, create_token


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
                add_errors(form, error)
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
