"""The team: who signs in, with which roles, and who is invited. What is shown once is in the answer that made it."""

from collections.abc import Callable
from typing import Final

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from config.web.pages import add_errors, page, person_of
from contacts.enums import Role
from contacts.forms.accounts import InviteForm, RolesForm
from contacts.models import Invitation
from contacts.permissions import SELLERS, check_manage_team
from contacts.selectors.people import holdings_of, member_of, members, open_invitations, team_members
from contacts.services.invitations import SentInvitation, invite_person, resend_invitation, withdraw_invitation
from contacts.services.people import deactivate_person, reactivate_person, reset_second_factor, set_roles


@page(check_manage_team)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def team(request: HttpRequest) -> HttpResponse:
    """List people and invitations; invite somebody and show the link once."""
    form, sent = InviteForm(), None
    if request.method == "POST":
        form = InviteForm(request.POST)
        if form.is_valid():
            said = form.cleaned_data
            try:
                sent = invite_person(
                    email=said["email"], roles=[Role(said["role"])], by=person_of(request), now=timezone.now()
                )
                form = InviteForm()
            except ValidationError as error:
                add_errors(form, error)
    return _show_team(request, form, sent)


def _show_team(request: HttpRequest, form: InviteForm, sent: SentInvitation | None) -> HttpResponse:
    context = {
        "form": form,
        "sent": sent,
        "people": team_members(),
        "invitations": open_invitations(now=timezone.now()),
    }
    return render(request, "contacts/team.html", context, status=422 if form.errors else 200)


@require_POST
@page(check_manage_team)
@never_cache
def invitation_act(request: HttpRequest, invitation_id: int, act: str) -> HttpResponse:
    """Send an invitation again (``resend``: a new link, shown once) or withdraw it (``withdraw``)."""
    invitation = get_object_or_404(Invitation, pk=invitation_id)
    now, by = timezone.now(), person_of(request)
    if act == "withdraw":
        if withdraw_invitation(invitation=invitation, by=by, now=now):
            messages.success(request, gettext("The invitation is withdrawn; its link opens nothing any more."))
        else:
            messages.warning(request, gettext("This invitation was accepted or withdrawn meanwhile."))
        return redirect("team")
    if act != "resend":
        raise Http404("No such act.")
    try:
        sent = resend_invitation(invitation=invitation, by=by, now=now)
    except ValidationError as error:
        messages.warning(request, " ".join(error.messages))
        return redirect("team")
    return _show_team(request, InviteForm(), sent)


@page(check_manage_team)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def member(request: HttpRequest, user_id: int) -> HttpResponse:
    """Show one of the team and change what they work as."""
    person = get_object_or_404(members().prefetch_related("groups"), pk=user_id)
    row = member_of(person)
    form = RolesForm(initial={"roles": [group.name for group in person.groups.all()]})
    if request.method == "POST":
        form = RolesForm(request.POST)
        if form.is_valid():
            roles = [Role(role) for role in form.cleaned_data["roles"]]
            try:
                set_roles(person=person, roles=roles, by=person_of(request))
            except ValidationError as error:
                add_errors(form, error)
            else:
                messages.success(request, gettext("The roles are saved."))
                return redirect("member", user_id)
    sells = any(group.name in SELLERS for group in person.groups.all())
    context = {"row": row, "person": person, "form": form, "holdings": holdings_of(person), "sells": sells}
    return render(request, "contacts/member.html", context, status=422 if form.errors else 200)


def _deactivate(person: User, by: User) -> str:
    deactivate_person(person=person, by=by, now=timezone.now())
    return gettext("The account is deactivated.")


def _reactivate(person: User, by: User) -> str:
    reactivate_person(person=person, by=by)
    return gettext("The account is active again.")


def _reset_second_factor(person: User, by: User) -> str:
    reset_second_factor(person=person, by=by)
    return gettext("The second factors are gone: the password alone signs in until new ones are set up.")


_ACTS: Final[dict[str, Callable[[User, User], str]]] = {
    "deactivate": _deactivate,
    "reactivate": _reactivate,
    "reset-second-factor": _reset_second_factor,
}


@page(check_manage_team)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def member_act(request: HttpRequest, user_id: int, act: str) -> HttpResponse:
    """Say what deactivating somebody, activating them again or resetting their second factor means; then do it."""
    person = get_object_or_404(members(), pk=user_id)
    if act not in _ACTS:
        raise Http404("No such act.")
    refused = ""
    if request.method == "POST":
        try:
            messages.success(request, _ACTS[act](person, person_of(request)))
        except ValidationError as error:
            refused = " ".join(error.messages)
        else:
            return redirect("member", user_id)
    context = {"person": person, "act": act, "holdings": holdings_of(person), "refused": refused}
    return render(request, "contacts/member_act.html", context, status=409 if refused else 200)
