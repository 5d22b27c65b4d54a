"""Addresses of the pages that need facts and judgement."""

from django.urls import path

from scoring.views.contact import timeline, why
from scoring.views.contacts import contacts
from scoring.views.definitions import definition, definition_yaml, definitions
from scoring.views.runs import run, run_cancel, run_contacts, run_progress
from scoring.views.trials import backtest, compare, what_if

urlpatterns = [
    path("contacts/", contacts, name="contacts"),
    path("contacts/<int:contact_id>/", timeline, name="contact"),
    path("contacts/<int:contact_id>/why/", why, name="why"),
    path("definitions/", definitions, name="definitions"),
    path("definitions/<int:definition_id>/", definition, name="definition"),
    path("definitions/<int:definition_id>/what-if/", what_if, name="definition-what-if"),
    path("definitions/<int:definition_id>/compare/", compare, name="definition-compare"),
    path("definitions/<int:definition_id>/backtest/", backtest, name="definition-backtest"),
    path("runs/<int:run_id>/", run, name="run"),
    path("runs/<int:run_id>/progress/", run_progress, name="run-progress"),
    path("runs/<int:run_id>/cancel/", run_cancel, name="run-cancel"),
    path("runs/<int:run_id>/contacts/", run_contacts, name="run-contacts"),
    path("definitions/<int:definition_id>/definition.yaml", definition_yaml, name="definition-yaml"),
]
