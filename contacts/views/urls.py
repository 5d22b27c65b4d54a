"""Addresses of the pages that need facts alone, and who is shown which link."""

from django.urls import path

from config.web.places import show_place_to
from contacts.permissions import can_manage_sources, can_manage_team, can_work_handoffs
from contacts.views.activities import log_activity
from contacts.views.administration import account, sources, team
from contacts.views.corrections import correct_event
from contacts.views.exports import companies_csv, contact_events_csv, contacts_csv, rejected_csv
from contacts.views.preferences import preferences, unsubscribe

urlpatterns = [
    path("contacts/<int:contact_id>/log/", log_activity, name="contact-log"),
    path("contacts/<int:contact_id>/events/<int:event_id>/<slug:action>/", correct_event, name="event-correct"),
    path("exports/contacts.csv", contacts_csv, name="export-contacts"),
    path("exports/contacts/<int:contact_id>/events.csv", contact_events_csv, name="export-events"),
    path("exports/companies.csv", companies_csv, name="export-companies"),
    path("exports/sources/<int:source_id>/rejected.csv", rejected_csv, name="export-rejected"),
    path("preferences/<str:signed>/", preferences, name="preferences"),
    path("unsubscribe/<str:signed>/", unsubscribe, name="unsubscribe"),
    path("sources/", sources, name="sources"),
    path("team/", team, name="team"),
    path("account/", account, name="account"),
]

show_place_to("sources", can_manage_sources)
show_place_to("team", can_manage_team)
show_place_to("mine", can_work_handoffs)
