"""One's own settings: profile and personal tokens. A token is shown once, in the answer that made it."""

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone, translation
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from config.web.pages import add_errors, page, person_of
from contacts.enums import Role
from contacts.forms.accounts import ProfileForm, TokenForm
from contacts.models import PersonalToken
from contacts.permissions import check_view_contacts, roles_of
from contacts.services.people import create_token, revoke_token
from contacts.services.profiles import save_profile


@page(check_view_contacts)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def account(request: HttpRequest) -> HttpResponse:
    """Show and change one's name, language and time zone; the answer speaks the new language."""
    person = person_of(request)
    preferences = getattr(person, "preferences", None)
    form = ProfileForm(
        initial={
            "first_name": person.first_name,
            "last_name": person.last_name,
            "language": getattr(preferences, "language", ""),
            "time_zone": getattr(preferences, "time_zone", ""),
        }
    )
    if request.method == "POST":
        form = ProfileForm(request.POST)
        if form.is_valid():
            profile = form.profile()
            try:
                save_profile(user=person, profile=profile, by=person)
            except ValidationError as error:
                add_errors(form, error)
            else:
                with translation.override(profile.language or translation.get_language_from_request(request)):
                    messages.success(request, gettext("Your profile is saved."))
                return redirect("account")
    context = {"form": form, "roles": [role.label for role in Role if role in roles_of(person)]}
    return render(request, "contacts/account.html", context, status=422 if form.errors else 200)


@page(check_view_contacts)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def tokens(request: HttpRequest) -> HttpResponse:
    """List one's tokens; mint one and show it once."""
    person = person_of(request)
    form, key = TokenForm(), ""
    if request.method == "POST":
        form = TokenForm(request.POST)
        if form.is_valid():
            key = create_token(user=person, name=form.cleaned_data["name"], by=person).key
            form = TokenForm()
    rows = PersonalToken.objects.filter(user=person).order_by("-created_at", "-pk")
    context = {"form": form, "key": key, "tokens": rows}
    return render(request, "contacts/tokens.html", context, status=422 if form.errors else 200)


@page(check_view_contacts)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def token_revoke(request: HttpRequest, token_id: int) -> HttpResponse:
    """Say what revoking one of one's tokens means; then do it."""
    person = person_of(request)
    token = get_object_or_404(PersonalToken, pk=token_id, user=person, revoked_at=None)
    if request.method == "POST":
        revoke_token(token=token, by=person, now=timezone.now())
        messages.success(request, gettext("The token is revoked."))
        return redirect("tokens")
    return render(request, "contacts/token_revoke.html", {"token": token})
