"""Addresses of the pages that need the handing over too."""

from django.urls import URLPattern, URLResolver, include, path

from config.web.places import show_place_to
from contacts.permissions import can_work_handoffs
from funnel.permissions import can_plan_sales, can_see_status
from funnel.views import handoffs
from funnel.views.analytics.behind import funnel_handoffs, funnel_people
from funnel.views.analytics.pages import funnel, funnel_csv, funnel_part
from funnel.views.consent import contact_consent
from funnel.views.journey import journey
from funnel.views.overview import overview
from funnel.views.planning import calendar, rep, sales
from funnel.views.routing import routing, routing_rule
from funnel.views.searching import search
from funnel.views.status import status
from funnel.views.welcome import (
    welcome,
    welcome_arrived,
    welcome_definition,
    welcome_dismiss,
    welcome_recall,
    welcome_source,
)

show_place_to("sales-settings", can_plan_sales)
show_place_to("my-hours", can_work_handoffs)
show_place_to("routing", can_plan_sales)
show_place_to("status", can_see_status)

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("funnel.views.sequences.urls")),
    path("", overview, name="overview"),
    path("search/", search, name="search"),
    path("status/", status, name="status"),
    path("welcome/", welcome, name="welcome"),
    path("welcome/definition/", welcome_definition, name="welcome-definition"),
    path("welcome/source/", welcome_source, name="welcome-source"),
    path("welcome/arrived/<int:source_id>/", welcome_arrived, name="welcome-arrived"),
    path("welcome/dismiss/", welcome_dismiss, name="welcome-dismiss"),
    path("welcome/recall/", welcome_recall, name="welcome-recall"),
    path("funnel/", funnel, name="funnel"),
    path("funnel/part/<slug:name>/", funnel_part, name="funnel-part"),
    path("funnel/people/", funnel_people, name="funnel-people"),
    path("funnel/handoffs/", funnel_handoffs, name="funnel-handoffs"),
    path("funnel/<slug:table>.csv", funnel_csv, name="funnel-csv"),
    path("contacts/<int:contact_id>/journey/", journey, name="journey"),
    path("contacts/<int:contact_id>/consent/", contact_consent, name="contact-consent"),
    path("contacts/<int:contact_id>/log/", handoffs.contact_log, name="contact-log"),
    path("queue/", handoffs.queue, name="queue"),
    path("mine/", handoffs.mine, name="mine"),
    path("handoffs/claim-next/", handoffs.claim_next, name="handoff-claim-next"),
    path("handoffs/<int:handoff_id>/", handoffs.handoff, name="handoff"),
    path("handoffs/<int:handoff_id>/claim/", handoffs.claim, name="handoff-claim"),
    path("handoffs/<int:handoff_id>/accept/", handoffs.accept, name="handoff-accept"),
    path("handoffs/<int:handoff_id>/return/", handoffs.hand_back, name="handoff-return"),
    path("handoffs/<int:handoff_id>/win/", handoffs.win, name="handoff-win"),
    path("handoffs/<int:handoff_id>/outcome/", handoffs.outcome, name="handoff-outcome"),
    path("handoffs/<int:handoff_id>/log/", handoffs.handoff_log, name="handoff-log"),
    path("handoffs/<int:handoff_id>/release/", handoffs.release, name="handoff-release"),
    path("handoffs/<int:handoff_id>/reassign/", handoffs.reassign, name="handoff-reassign"),
    path("handoffs/<int:handoff_id>/take-over/", handoffs.take_over, name="handoff-take-over"),
    path("team/sales/", sales, name="sales-settings"),
    path("team/calendars/<int:calendar_id>/", calendar, name="calendar"),
    path("team/people/me/", rep, name="my-hours"),
    path("team/people/<int:user_id>/", rep, name="rep"),
    path("routing/", routing, name="routing"),
    path("routing/new/", routing_rule, name="routing-rule-new"),
    path("routing/<int:rule_id>/", routing_rule, name="routing-rule"),
]
