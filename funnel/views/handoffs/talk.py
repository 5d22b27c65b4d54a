"""Logging a conversation: from a handoff's page, or in place on the pages of a contact."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRefresh

from config.web.moved import Moved
from config.web.pages import page, person_of
from contacts.forms import local_now
from contacts.models import Contact
from contacts.permissions import check_log_activity, check_view_contacts
from contacts.selectors.naming import present_id
from funnel.conversation import Activity
from funnel.errors import HandoffConflict
from funnel.forms import ActivityForm
from funnel.models import Handoff
from funnel.permissions import check_see_handoffs
from funnel.services.conversation import log_activity, log_on_handoff
from funnel.views.handoffs.page import show
from funnel.views.handoffs.tokens import form_id_of, message_id_of

_NOT_RECORDED = gettext_lazy("That could not be recorded. Reload the page and try again.")


@page(check_view_contacts)
@require_http_methods(["GET", "HEAD", "POST"])
def contact_log(request: HttpRequest, contact_id: int) -> HttpResponse:
    """Show the form, or record an activity and go back to the timeline; a merged contact's leads on.

    With htmx the form comes as a part of the page that asks for it. It carries an id: sent twice it records once.
    """
    became = present_id(contact_id) or contact_id
    if became != contact_id and request.method != "POST":
        raise Moved(request.get_full_path().replace(f"/contacts/{contact_id}/", f"/contacts/{became}/", 1))
    contact = get_object_or_404(Contact.objects.select_related("standing", "company"), pk=became, present=True)
    person, now = person_of(request), timezone.now()
    check_log_activity(person, contact)
    in_place = bool(request.htmx)  # type: ignore[attr-defined]  # set by its middleware
    if request.method == "POST":
        form = ActivityForm(request.POST, now=now)
        if form.is_valid():
            _log(request, contact, form)
            return HttpResponseClientRefresh() if in_place else redirect("contact", contact.pk)
    else:
        chosen = request.GET.get("kind", "")
        kind = chosen if chosen in Activity.values else Activity.CALL_CONNECTED.value
        named = person.get_full_name() or person.email
        form = ActivityForm(now=now, initial={"kind": kind, "occurred_at": local_now(now), "with_person": named})
    context = {"contact": contact, "form": form, "form_id": form_id_of(request), "in_place": in_place}
    template = "funnel/log_in_place.html" if in_place else "funnel/log.html"
    return render(request, template, context, status=422 if form.errors and not in_place else 200)


def _log(request: HttpRequest, contact: Contact, form: ActivityForm) -> None:
    person, said = person_of(request), form.said()
    try:
        log_activity(
            contact_id=contact.pk,
            said=said,
            by=person,
            now=timezone.now(),
            message_id=message_id_of(request, person.pk),
        )
    except ValueError:
        messages.warning(request, str(_NOT_RECORDED))
    else:
        messages.success(request, _recorded(said.activity))


def _recorded(activity: Activity) -> str:
    return gettext("%(what)s recorded. The judgement follows within seconds.") % {"what": activity.label}


@page(check_see_handoffs)
@require_POST
def handoff_log(request: HttpRequest, handoff_id: int) -> HttpResponse:
    """Log an activity from the handoff's page and stay there; a form that says too little comes back."""
    now, person = timezone.now(), person_of(request)
    form = ActivityForm(request.POST, prefix="log", now=now)
    if not form.is_valid():
        return show(request, handoff_id, log=form)
    said = form.said()
    try:
        log_on_handoff(
            handoff_id=handoff_id, said=said, by=person, now=now, message_id=message_id_of(request, person.pk)
        )
    except Handoff.DoesNotExist as error:
        raise Http404("No such handoff.") from error
    except HandoffConflict as conflict:
        messages.warning(request, conflict.message)
    except PermissionDenied as error:
        messages.error(request, str(error))
    except ValueError:
        messages.warning(request, str(_NOT_RECORDED))
    else:
        messages.success(request, _recorded(said.activity))
    return redirect("handoff", handoff_id)
