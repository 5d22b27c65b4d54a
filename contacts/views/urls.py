"""Addresses of the pages that need facts alone."""

from django.urls import path

from contacts.views.activities import log_activity

urlpatterns = [
    path("contacts/<int:contact_id>/log/", log_activity, name="contact-log"),
]
