"""What a person has a right to: a file of all that is known of them, and that all of it goes."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from config.web.pages import page, person_of
from contacts.enums import ErasureReason, JobKind
from contacts.forms.persons import EraseForm
from contacts.models import Contact
from contacts.permissions import check_erase_contacts
from contacts.selectors.persons import known_of
from contacts.services.person_files import export_file_of
from contacts.services.person_jobs import order_erasure, order_person_export


@page(check_erase_contacts)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def contact_privacy(request: HttpRequest, contact_id: int) -> HttpResponse:
    """Show in numbers what is known of a contact; order its export or, once the name is typed, its erasure."""
    contact = Contact.objects.select_related("company").filter(pk=contact_id, present=True).first()
    if contact is None:
        raise Http404("No such contact.")
    now = timezone.now()
    erasing = request.method == "POST" and request.POST.get("action") == "erase"
    form = EraseForm(request.POST if erasing else None, expected=contact.display_name)
    if request.method == "POST" and not erasing:
        order_person_export(contact=contact, by=person_of(request))
        messages.success(request, gettext("Ordered. The file is here within seconds, and for seven days."))
        return redirect("contact-privacy", contact.pk)
    if erasing and form.is_valid():
        reason = ErasureReason(form.cleaned_data["reason"])
        job = order_erasure(contact=contact, by=person_of(request), reason=reason, now=now)
        return redirect("job", job.pk)
    known = known_of(contact)
    exports = [job for job in known.jobs if job.kind == JobKind.EXPORT_PERSON]
    context = {
        "contact": contact,
        "known": known,
        "form": form,
        "exports": [(job, export_file_of(job.pk, now=now) is not None) for job in exports],
        "erasure": next((job for job in known.jobs if job.kind == JobKind.ERASE and job.finished_at is None), None),
    }
    return render(request, "contacts/privacy.html", context, status=422 if form.errors else 200)
