"""Addresses of the pages that need facts and judgement."""

from django.urls import path

from scoring.views.contact import timeline, why
from scoring.views.contacts import contacts
from scoring.views.definitions import definition, definition_yaml, definitions

urlpatterns = [
    path("contacts/", contacts, name="contacts"),
    path("contacts/<int:contact_id>/", timeline, name="contact"),
    path("contacts/<int:contact_id>/why/", why, name="why"),
    path("definitions/", definitions, name="definitions"),
    path("definitions/<int:definition_id>/", definition, name="definition"),
    path("definitions/<int:definition_id>/definition.yaml", definition_yaml, name="definition-yaml"),
]
