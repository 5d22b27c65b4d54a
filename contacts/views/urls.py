"""Addresses of the pages that need facts alone, and who is shown which link."""

from django.urls import path

from config.web.places import show_place_to
from contacts.permissions import (
    can_correct_events,
    can_import,
    can_manage_sources,
    can_manage_team,
    can_merge,
    can_see_jobs,
    can_suppress_addresses,
    can_work_handoffs,
)
from contacts.views.account import account, token_revoke, tokens
from contacts.views.acts import contacts_act, contacts_act_result, contacts_act_undo
from contacts.views.audit import audit
from contacts.views.corrections import correct_event
from contacts.views.duplicates import (
    contact_merge,
    duplicate,
    duplicate_progress,
    duplicate_search,
    duplicates,
    merge_undo,
    merges,
)
from contacts.views.email_hooks import email_hook_revoke, email_hooks
from contacts.views.exports import companies_csv, contact_events_csv, contacts_csv, rejected_csv
from contacts.views.forms import form_edit, forms
from contacts.views.import_mapping import import_mapping, import_preview
from contacts.views.imports import (
    import_cancel,
    import_errors,
    import_new,
    import_page,
    import_progress,
    import_resume,
    imports,
)
from contacts.views.invitations import invitation
from contacts.views.jobs import job, job_cancel, job_file, job_progress, job_resume, jobs
from contacts.views.persons import contact_privacy
from contacts.views.preferences import preferences, unsubscribe
from contacts.views.public_forms import form, form_confirm, form_thanks
from contacts.views.saved_views import list_columns, view_change, view_delete, view_restore, view_save
from contacts.views.source_problems import (
    replay_source,
    source_kind,
    source_kinds,
    source_message,
    source_rejected,
    source_warnings,
)
from contacts.views.sources import revoke_source_key, rotate_source_key, source, source_key, sources
from contacts.views.suppressions import suppression_lift, suppressions
from contacts.views.suspects import suspects
from contacts.views.team import invitation_act, member, member_act, team

urlpatterns = [
    path("contacts/acts/jobs/<int:job_id>/", contacts_act_result, name="contacts-act-result"),
    path("contacts/acts/jobs/<int:job_id>/undo/", contacts_act_undo, name="contacts-act-undo"),
    path("contacts/acts/<slug:act>/", contacts_act, name="contacts-act"),
    path("contacts/views/", view_save, name="contacts-view-save"),
    path("contacts/views/columns/", list_columns, name="contacts-columns"),
    path("contacts/views/restore/", view_restore, name="contacts-view-restore"),
    path("contacts/views/<int:view_id>/", view_change, name="contacts-view-change"),
    path("contacts/views/<int:view_id>/delete/", view_delete, name="contacts-view-delete"),
    path("contacts/<int:contact_id>/events/<int:event_id>/<slug:action>/", correct_event, name="event-correct"),
    path("imports/", imports, name="imports"),
    path("imports/new/", import_new, name="import-new"),
    path("imports/<int:import_id>/", import_page, name="import"),
    path("imports/<int:import_id>/mapping/", import_mapping, name="import-mapping"),
    path("imports/<int:import_id>/preview/", import_preview, name="import-preview"),
    path("imports/<int:import_id>/progress/", import_progress, name="import-progress"),
    path("imports/<int:import_id>/errors/", import_errors, name="import-errors"),
    path("imports/<int:import_id>/cancel/", import_cancel, name="import-cancel"),
    path("imports/<int:import_id>/resume/", import_resume, name="import-resume"),
    path("duplicates/", duplicates, name="duplicates"),
    path("duplicates/search/", duplicate_search, name="duplicate-search"),
    path("duplicates/search/<int:job_id>/progress/", duplicate_progress, name="duplicate-progress"),
    path("duplicates/<int:suggestion_id>/", duplicate, name="duplicate"),
    path("merges/", merges, name="merges"),
    path("merges/<int:merge_id>/undo/", merge_undo, name="merge-undo"),
    path("contacts/<int:contact_id>/merge/", contact_merge, name="contact-merge"),
    path("contacts/<int:contact_id>/privacy/", contact_privacy, name="contact-privacy"),
    path("jobs/", jobs, name="jobs"),
    path("jobs/<int:job_id>/", job, name="job"),
    path("jobs/<int:job_id>/progress/", job_progress, name="job-progress"),
    path("jobs/<int:job_id>/cancel/", job_cancel, name="job-cancel"),
    path("jobs/<int:job_id>/resume/", job_resume, name="job-resume"),
    path("jobs/<int:job_id>/person.json", job_file, name="job-file"),
    path("exports/contacts.csv", contacts_csv, name="export-contacts"),
    path("exports/contacts/<int:contact_id>/events.csv", contact_events_csv, name="export-events"),
    path("exports/companies.csv", companies_csv, name="export-companies"),
    path("exports/sources/<int:source_id>/rejected.csv", rejected_csv, name="export-rejected"),
    path("preferences/<str:signed>/", preferences, name="preferences"),
    path("unsubscribe/<str:signed>/", unsubscribe, name="unsubscribe"),
    path("f/<slug:token>/", form, name="form"),
    path("f/<slug:token>/thanks/", form_thanks, name="form-thanks"),
    path("confirm/<str:token>/", form_confirm, name="form-confirm"),
    path("sources/", sources, name="sources"),
    path("sources/<int:source_id>/", source, name="source"),
    path("sources/<int:source_id>/rejected/", source_rejected, name="source-rejected"),
    path("sources/<int:source_id>/rejected/replay/", replay_source, name="source-replay"),
    path("sources/<int:source_id>/rejected/<int:rejected_id>/", source_message, name="source-message"),
    path("sources/<int:source_id>/warnings/", source_warnings, name="source-warnings"),
    path("sources/<int:source_id>/kinds/", source_kinds, name="source-kinds"),
    path("sources/<int:source_id>/kinds/<int:kind_id>/", source_kind, name="source-kind"),
    path("sources/<int:source_id>/key/", source_key, name="source-key"),
    path("sources/<int:source_id>/key/rotate/", rotate_source_key, name="source-rotate"),
    path("sources/<int:source_id>/key/revoke/", revoke_source_key, name="source-revoke"),
    path("sources/<int:source_id>/forms/", forms, name="forms"),
    path("sources/<int:source_id>/email/", email_hooks, name="email-hooks"),
    path("sources/<int:source_id>/email/<int:hook_id>/revoke/", email_hook_revoke, name="email-hook-revoke"),
    path("forms/<int:form_id>/", form_edit, name="form-edit"),
    path("suspects/", suspects, name="suspects"),
    path("suppressions/", suppressions, name="suppressions"),
    path("suppressions/lift/", suppression_lift, name="suppression-lift"),
    path("team/", team, name="team"),
    path("team/audit/", audit, name="audit"),
    path("team/invitations/<int:invitation_id>/<slug:act>/", invitation_act, name="invitation-act"),
    path("team/members/<int:user_id>/", member, name="member"),
    path("team/members/<int:user_id>/<slug:act>/", member_act, name="member-act"),
    path("invitation/<str:signed>/", invitation, name="invitation"),
    path("account/", account, name="account"),
    path("account/tokens/", tokens, name="tokens"),
    path("account/tokens/<int:token_id>/revoke/", token_revoke, name="token-revoke"),
]

show_place_to("sources", can_manage_sources)
show_place_to("jobs", can_see_jobs)
show_place_to("imports", can_import)
show_place_to("duplicates", can_merge)
show_place_to("suspects", can_correct_events)
show_place_to("suppressions", can_suppress_addresses)
show_place_to("team", can_manage_team)
show_place_to("mine", can_work_handoffs)
