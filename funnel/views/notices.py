"""What one was told: the list, one line of several things, the badge that lives, and how one wants to be told."""

from datetime import datetime
from typing import Any, Final

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotModified, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from config.web.pages import add_errors, page, person_of, safe_next
from config.web.places import PlaceCount
from contacts.permissions import can_view_contacts, check_view_contacts
from funnel.forms.notices import WishesForm
from funnel.models import Notification
from funnel.notice_kinds import KINDS
from funnel.selectors.notices import (
    NotificationLine,
    Unread,
    items_of,
    notification_lines,
    notification_page,
    notifications_for,
    told_since,
    unread_of,
    with_items,
)
from funnel.selectors.working import working_times
from funnel.services.notices.reading import read_all, read_notification, save_wishes, wishes_of

# A page that was away for long shows the latest few; the badge counts them all.
MOST_TOASTS: Final = 3


@page(check_view_contacts)
@never_cache
@require_safe
def notifications(request: HttpRequest) -> HttpResponse:
    """List what one was told, unread first; the next page by ``after``."""
    person, after = person_of(request), request.GET.get("after", "")
    found = notification_page(user=person, after=after)
    context = {
        "lines": found.lines,
        "unread": unread_of(person),
        "next_url": f"?after={found.next.replace('+', '%2B')}" if found.next else "",
        "first_url": "?" if after else "",
        # What comes while one reads is not marked as read with the rest.
        "until": timezone.now().isoformat(),
    }
    return render(request, "funnel/notifications.html", context)


@page(check_view_contacts)
@never_cache
@require_safe
def notification(request: HttpRequest, notification_id: int) -> HttpResponse:
    """Show everything that one line tells of."""
    row = with_items(notifications_for(person_of(request))).filter(pk=notification_id).first()
    if row is None:
        raise Http404(gettext("You were told no such thing."))
    (line,) = notification_lines([row])
    context = {"line": line, "help": KINDS[line.kind].help, "items": items_of(row), "count": row.count}
    return render(request, "funnel/notification.html", context)


@page(check_view_contacts)
@require_POST
def notification_read(request: HttpRequest, notification_id: int) -> HttpResponse:
    """Mark one line as read."""
    try:
        read_notification(notification_id=notification_id, by=person_of(request), now=timezone.now())
    except Notification.DoesNotExist as error:
        raise Http404(gettext("You were told no such thing.")) from error
    return redirect(safe_next(request, "/notifications/"))


@page(check_view_contacts)
@require_POST
def notifications_read(request: HttpRequest) -> HttpResponse:
    """Mark everything as read that had come when the page was shown (``until``)."""
    until = _moment(request.POST.get("until", ""))
    number = read_all(by=person_of(request), now=timezone.now(), until=until)
    messages.success(request, gettext("All read.") if number else gettext("There was nothing unread."))
    return redirect("notifications")


@page(check_view_contacts)
@require_safe
def notifications_live(request: HttpRequest) -> HttpResponseBase:
    """Tell the script of a page how many lines are unread, and which came after ``since``; 304 where nothing changed.

    JSON: ``{"unread": "3", "number": 3, "at": "<latest>", "new": [{"id", "text", "names", "url"}], "toast": {"text",
    "url"} | null}``. Writes nothing, the session neither, so a page that stays open keeps nobody signed in.
    """
    person = person_of(request)
    unread = unread_of(person)
    tag = f'"{unread.number}-{int(unread.at.timestamp() * 1_000_000) if unread.at else 0}"'
    answer: HttpResponseBase
    if request.headers.get("If-None-Match") == tag:
        answer = HttpResponseNotModified()
    else:
        answer = JsonResponse(_live(person, unread, since=_moment(request.GET.get("since", ""))))
    answer["ETag"] = tag
    answer["Cache-Control"] = "private, no-cache"
    return answer


def _live(person: User, unread: Unread, *, since: datetime | None) -> dict[str, Any]:
    fresh = since is not None and unread.at is not None and unread.at > since
    lines = told_since(person, since, most=MOST_TOASTS) if fresh and since is not None else []
    return {
        "unread": unread.shown,
        "number": unread.number,
        "at": unread.at.isoformat() if unread.at else "",
        "new": [{"id": str(line.id), "text": line.text, "names": line.names, "url": line.url} for line in lines],
        "toast": _toast(lines, unread),
    }


def _toast(lines: list[NotificationLine], unread: Unread) -> dict[str, str] | None:
    """What an open page says of what just came: the one line itself, or how many there are."""
    if not lines:
        return None
    if len(lines) == 1:
        (line,) = lines
        text = gettext("%(what)s: %(who)s") % {"what": line.text, "who": line.names} if line.names else line.text
        return {"text": text, "url": line.url}
    said = {"number": unread.shown, "first": lines[0].text}
    return {"text": gettext("%(number)s unread: %(first)s, and more") % said, "url": reverse("notifications")}


@page(check_view_contacts)
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def notification_settings(request: HttpRequest) -> HttpResponse:
    """Choose what one is told in the app and by mail, and when the digest goes out."""
    person, now = person_of(request), timezone.now()
    wishes, usual_zone = wishes_of(person, now=now), working_times([person.pk]).of(person.pk).hours.zone
    form = WishesForm(wishes=wishes, usual_zone=usual_zone)
    if request.method == "POST":
        form = WishesForm(request.POST, wishes=wishes, usual_zone=usual_zone)
        if form.is_valid():
            try:
                save_wishes(by=person, wishes=form.wishes(), now=now)
            except ValidationError as error:
                add_errors(form, error)
            else:
                messages.success(request, gettext("Saved. It holds for what is told from now on."))
                return redirect("notification-settings")
    context = {"form": form, "address": person.email}
    return render(request, "funnel/notification_settings.html", context, status=422 if form.errors else 200)


def count_unread(user: Any) -> PlaceCount | None:
    """What the badge of the navigation shows this person; None for people without a role."""
    if not isinstance(user, User) or not can_view_contacts(user):
        return None
    unread = unread_of(user)
    latest = unread.at or timezone.now()
    return PlaceCount(unread.number, unread.shown, reverse("notifications-live"), latest.isoformat())


def _moment(text: str) -> datetime | None:
    try:
        moment = parse_datetime(text)
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None
