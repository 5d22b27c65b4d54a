"""Addresses below ``/api/v1/``."""

from django.urls import URLPattern, path

from funnel.api.conversation import ConversationViewSet
from funnel.api.funnel import FunnelView
from funnel.api.may_contact import MayContactView
from funnel.api.sequences import EnrolmentViewSet, SequenceViewSet
from funnel.api.views import ContactHandoffViewSet, HandoffViewSet

urlpatterns: list[URLPattern] = [
    path("handoffs/", HandoffViewSet.as_view({"get": "list"}), name="api-handoff-list"),
    path("handoffs/claim-next/", HandoffViewSet.as_view({"post": "claim_next"}), name="api-handoff-claim-next"),
    path("handoffs/<int:pk>/", ConversationViewSet.as_view({"get": "retrieve"}), name="api-handoff-detail"),
    path("handoffs/<int:pk>/claim/", HandoffViewSet.as_view({"post": "claim"}), name="api-handoff-claim"),
    path("handoffs/<int:pk>/accept/", HandoffViewSet.as_view({"post": "accept"}), name="api-handoff-accept"),
    path("handoffs/<int:pk>/return/", HandoffViewSet.as_view({"post": "give_back"}), name="api-handoff-return"),
    path("handoffs/<int:pk>/win/", HandoffViewSet.as_view({"post": "win"}), name="api-handoff-win"),
    path("handoffs/<int:pk>/release/", HandoffViewSet.as_view({"post": "release"}), name="api-handoff-release"),
    path("handoffs/<int:pk>/reassign/", HandoffViewSet.as_view({"post": "reassign"}), name="api-handoff-reassign"),
    path("handoffs/<int:pk>/take-over/", HandoffViewSet.as_view({"post": "take_over"}), name="api-handoff-take-over"),
    path("handoffs/<int:pk>/outcome/", HandoffViewSet.as_view({"post": "outcome"}), name="api-handoff-outcome"),
    path("handoffs/<int:pk>/log/", ConversationViewSet.as_view({"post": "log"}), name="api-handoff-log"),
    path(
        "contacts/<int:contact_id>/handoffs/",
        ContactHandoffViewSet.as_view({"get": "list"}),
        name="api-contact-handoffs",
    ),
    path("contacts/<int:contact_id>/may-contact/", MayContactView.as_view(), name="api-may-contact"),
    path("funnel/", FunnelView.as_view(), name="api-funnel"),
    path("sequences/", SequenceViewSet.as_view({"get": "list", "post": "create"}), name="api-sequence-list"),
    path(
        "sequences/<int:pk>/",
        SequenceViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
        name="api-sequence-detail",
    ),
    path("sequences/<int:pk>/activate/", SequenceViewSet.as_view({"post": "activate"}), name="api-sequence-activate"),
    path("sequences/<int:pk>/pause/", SequenceViewSet.as_view({"post": "pause"}), name="api-sequence-pause"),
    path("sequences/<int:pk>/figures/", SequenceViewSet.as_view({"get": "figures"}), name="api-sequence-figures"),
    path(
        "sequences/<int:sequence_id>/enrolments/",
        EnrolmentViewSet.as_view({"get": "list", "post": "create"}),
        name="api-sequence-enrolments",
    ),
    path("enrolments/<int:pk>/stop/", EnrolmentViewSet.as_view({"post": "stop"}), name="api-enrolment-stop"),
]
