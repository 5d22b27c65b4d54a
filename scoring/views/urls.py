"""Addresses of the pages that need facts and judgement."""

from django.urls import path

from scoring.views.companies import companies, company
from scoring.views.contact import head, timeline, trend
from scoring.views.contacts import contacts
from scoring.views.definitions import definition, definition_yaml, definitions
from scoring.views.drafts import definition_copy, definition_discard, definition_import
from scoring.views.editor import definition_check, definition_edit
from scoring.views.learned import dismiss, learn, use
from scoring.views.pins import contact_pin, contact_pin_undo, contact_unpin
from scoring.views.publishing import approve, publish, publish_page, roll_back
from scoring.views.runs import run, run_cancel, run_contacts, run_progress, run_retry
from scoring.views.trials import backtest, compare, what_if
from scoring.views.why import why

urlpatterns = [
    path("contacts/", contacts, name="contacts"),
    path("contacts/<int:contact_id>/", timeline, name="contact"),
    path("contacts/<int:contact_id>/head/", head, name="contact-head"),
    path("contacts/<int:contact_id>/trend/", trend, name="contact-trend"),
    path("contacts/<int:contact_id>/why/", why, name="why"),
    path("contacts/<int:contact_id>/pin/", contact_pin, name="contact-pin"),
    path("contacts/<int:contact_id>/unpin/", contact_unpin, name="contact-unpin"),
    path("contacts/<int:contact_id>/pin/<int:event_id>/undo/", contact_pin_undo, name="contact-pin-undo"),
    path("companies/", companies, name="companies"),
    path("companies/<int:company_id>/", company, name="company"),
    path("definitions/", definitions, name="definitions"),
    path("definitions/import/", definition_import, name="definition-import"),
    path("definitions/<int:definition_id>/", definition, name="definition"),
    path("definitions/<int:definition_id>/edit/", definition_edit, name="definition-edit"),
    path("definitions/<int:definition_id>/edit/check/", definition_check, name="definition-check"),
    path("definitions/<int:definition_id>/copy/", definition_copy, name="definition-copy"),
    path("definitions/<int:definition_id>/discard/", definition_discard, name="definition-discard"),
    path("definitions/<int:definition_id>/what-if/", what_if, name="definition-what-if"),
    path("definitions/<int:definition_id>/compare/", compare, name="definition-compare"),
    path("definitions/<int:definition_id>/backtest/", backtest, name="definition-backtest"),
    path("definitions/<int:definition_id>/publish/", publish_page, name="definition-publish"),
    path("definitions/<int:definition_id>/publish/now/", publish, name="definition-publish-now"),
    path("definitions/<int:definition_id>/publish/approve/", approve, name="definition-approve"),
    path("definitions/<int:definition_id>/publish/roll-back/", roll_back, name="definition-roll-back"),
    path("definitions/<int:definition_id>/learn/", learn, name="definition-learn"),
    path("definitions/<int:definition_id>/learn/<int:model_id>/use/", use, name="definition-use-model"),
    path("notices/<int:notice_id>/dismiss/", dismiss, name="notice-dismiss"),
    path("runs/<int:run_id>/", run, name="run"),
    path("runs/<int:run_id>/progress/", run_progress, name="run-progress"),
    path("runs/<int:run_id>/cancel/", run_cancel, name="run-cancel"),
    path("runs/<int:run_id>/retry/", run_retry, name="run-retry"),
    path("runs/<int:run_id>/contacts/", run_contacts, name="run-contacts"),
    path("definitions/<int:definition_id>/definition.yaml", definition_yaml, name="definition-yaml"),
]
