"""The addresses at which e-mail providers report in the name of a source: made, shown once, closed."""

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from config.web.pages import add_errors, page, person_of
from contacts.enums import SourceKind
from contacts.forms.email_hooks import HOW_TO, HookForm
from contacts.models import EmailHook
from contacts.permissions import check_manage_sources
from contacts.services.email_hooks import create_hook, revoke_hook
from contacts.views.sources import source_or_404

_SHOWN = 100


@page(check_manage_sources)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def email_hooks(request: HttpRequest, source_id: int) -> HttpResponse:
    """List the hooks of a source; make one and show its address this once, with where to paste it."""
    source = source_or_404(source_id)
    form, address, how = HookForm(), "", None
    if request.method == "POST":
        form = HookForm(request.POST)
        if form.is_valid():
            provider = form.cleaned_data["provider"]
            try:
                token = create_hook(source=source, provider=provider, by=person_of(request)).token
            except ValidationError as error:
                add_errors(form, error)
            else:
                address = settings.BASE_URL + reverse("email-hook", args=[provider, token])
                form, how = HookForm(), HOW_TO[provider]
    hooks = EmailHook.objects.filter(source=source).select_related("created_by").order_by("revoked_at", "-id")[:_SHOWN]
    rows = [(hook, HOW_TO.get(hook.provider), _missing(hook.provider)) for hook in hooks]
    context = {
        "source": source,
        "form": form,
        "address": address,
        "how": how,
        "rows": rows,
        "may_have": source.kind == SourceKind.SERVER and source.revoked_at is None,
    }
    return render(request, "contacts/email_hooks.html", context, status=422 if form.errors else 200)


@page(check_manage_sources)
@require_POST
def email_hook_revoke(request: HttpRequest, source_id: int, hook_id: int) -> HttpResponse:
    """Close an address for ever."""
    source = source_or_404(source_id)
    if revoke_hook(hook_id=hook_id, source=source, by=person_of(request), now=timezone.now()):
        messages.success(request, gettext("The address is closed. What was reported there stays."))
    else:
        messages.info(request, gettext("It was closed already."))
    return redirect("email-hooks", source.pk)


def _missing(provider: str) -> tuple[str, ...]:
    """Return the settings of a provider's keys that are not there."""
    how = HOW_TO.get(provider)
    return tuple(key for key in how.keys if not settings.ANYMAIL.get(key)) if how else ()
