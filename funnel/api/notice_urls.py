"""Addresses below ``/api/v1/`` of what people are told."""

from django.urls import path

from funnel.api.notices import (
    NotificationListView,
    NotificationReadAllView,
    NotificationReadView,
    NotificationSettingsView,
)

urlpatterns = [
    path("notifications/", NotificationListView.as_view(), name="api-notification-list"),
    path("notifications/read/", NotificationReadAllView.as_view(), name="api-notification-read-all"),
    path("notifications/settings/", NotificationSettingsView.as_view(), name="api-notification-settings"),
    path("notifications/<int:pk>/read/", NotificationReadView.as_view(), name="api-notification-read"),
]
