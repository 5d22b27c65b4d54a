"""Addresses of what people are told."""

from django.urls import path

from config.web.places import count_at_place, show_place_to
from contacts.permissions import can_view_contacts
from funnel.views.notices import (
    count_unread,
    notification,
    notification_read,
    notification_settings,
    notifications,
    notifications_live,
    notifications_read,
)

urlpatterns = [
    path("notifications/", notifications, name="notifications"),
    path("notifications/read/", notifications_read, name="notifications-read"),
    path("notifications/live/", notifications_live, name="notifications-live"),
    path("notifications/<int:notification_id>/", notification, name="notification"),
    path("notifications/<int:notification_id>/read/", notification_read, name="notification-read"),
    path("account/notifications/", notification_settings, name="notification-settings"),
]

show_place_to("notifications", can_view_contacts)
count_at_place("notifications", count_unread)
