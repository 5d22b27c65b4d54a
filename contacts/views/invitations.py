"""The page behind the link of an invitation. The link is the authority: nobody is signed in yet."""

from django.conf import settings
from django.contrib.auth import login
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from config.web.pages import add_errors
from contacts.forms.accounts import JoinForm
from contacts.services.invitations import accept_invitation, read_invitation


@sensitive_post_parameters("password", "again")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: HttpRequest, signed: str) -> HttpResponse:
    """Ask who is invited for their name and a password, make the account and sign them in."""
    found = read_invitation(signed, now=timezone.now())
    if found is None:
        return _private(render(request, "contacts/invitation_gone.html", status=404))
    form = JoinForm(invitation=found)
    if request.method == "POST":
        form = JoinForm(request.POST, invitation=found)
        if form.is_valid():
            said = form.cleaned_data
            names = {"first_name": said["first_name"], "last_name": said["last_name"]}
            try:
                person = accept_invitation(signed=signed, password=said["password"], now=timezone.now(), **names)
            except ValidationError as error:
                add_errors(form, error)
            else:
                if person is None:
                    return _private(render(request, "contacts/invitation_gone.html", status=404))
                login(request, person, backend=settings.AUTHENTICATION_BACKENDS[0])
                return redirect("/")
    return _private(render(request, "contacts/invitation.html", {"form": form}, status=422 if form.errors else 200))


def _private(response: HttpResponse) -> HttpResponse:
    """Keep the link, which is all that the page asks for, out of what the browser tells other sites."""
    response["Referrer-Policy"] = "no-referrer"
    return response
