"""Addresses of the pages that need the handing over too."""

from django.urls import path

from funnel.views.consent import contact_consent
from funnel.views.handoffs import accept, claim, hand_back, handoff, mine, queue, win
from funnel.views.journey import journey
from funnel.views.overview import overview

urlpatterns = [
    path("", overview, name="overview"),
    path("contacts/<int:contact_id>/journey/", journey, name="journey"),
    path("contacts/<int:contact_id>/consent/", contact_consent, name="contact-consent"),
    path("queue/", queue, name="queue"),
    path("mine/", mine, name="mine"),
    path("handoffs/<int:handoff_id>/", handoff, name="handoff"),
    path("handoffs/<int:handoff_id>/claim/", claim, name="handoff-claim"),
    path("handoffs/<int:handoff_id>/accept/", accept, name="handoff-accept"),
    path("handoffs/<int:handoff_id>/return/", hand_back, name="handoff-return"),
    path("handoffs/<int:handoff_id>/win/", win, name="handoff-win"),
]
