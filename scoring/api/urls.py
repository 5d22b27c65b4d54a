"""Addresses below ``/api/v1/``."""

from django.urls import URLPattern, path

from scoring.api import views

urlpatterns: list[URLPattern] = [
    path("contacts/<int:contact_id>/why/", views.WhyView.as_view(), name="contact-why"),
    path("contacts/<int:contact_id>/transitions/", views.ContactTransitionsView.as_view(), name="contact-transitions"),
    path("transitions/", views.TransitionFeedView.as_view(), name="transition-feed"),
    path("definitions/", views.DefinitionListView.as_view(), name="definition-list"),
    path("definitions/<int:pk>/", views.DefinitionDetailView.as_view(), name="definition-detail"),
]
