"""What the pages of one contact share: the head, and the tabs that lead from one to the other."""

from datetime import datetime

from django.http import Http404, HttpRequest
from django.utils.translation import gettext

from config.web.moved import Moved
from config.web.pages import person_of
from config.web.ui import Tab
from contacts.models import Contact
from contacts.selectors.naming import present_id
from scoring.selectors.header import ContactHeader, contact_header


def header_or_404(request: HttpRequest, contact_id: int, now: datetime) -> ContactHeader:
    """Return the head of the contact's pages, or answer 404; a merged contact's lead on to those of whom it became."""
    try:
        return contact_header(contact_id=contact_id, user=person_of(request), now=now)
    except Contact.DoesNotExist as error:
        became = present_id(contact_id)
        if became is None or became == contact_id:
            raise Http404("No such contact.") from error
        old, new = f"/contacts/{contact_id}/", f"/contacts/{became}/"
        raise Moved(request.get_full_path().replace(old, new, 1)) from error


def contact_tabs(contact_id: int, current: str) -> list[Tab]:
    """Return the tabs of a contact's pages; they live in several apps, so they are told by address.

    ``current``: ``timeline``, ``why``, ``journey`` or ``consent``; anything else is on none of them.
    """
    places = (
        ("timeline", gettext("Timeline"), "", "history"),
        ("why", gettext("Why"), "why/", "scale"),
        ("journey", gettext("Journey"), "journey/", "route"),
        ("consent", gettext("Consent"), "consent/", "mail-check"),
    )
    return [
        Tab(label, f"/contacts/{contact_id}/{path}", current=key == current, icon=icon)
        for key, label, path, icon in places
    ]
