"""Addresses below ``/api/v1/``."""

from django.urls import URLPattern, path

from scoring.api import definitions, publishing, runs, trials, views

urlpatterns: list[URLPattern] = [
    path("contacts/<int:contact_id>/why/", views.WhyView.as_view(), name="contact-why"),
    path("contacts/<int:contact_id>/transitions/", views.ContactTransitionsView.as_view(), name="contact-transitions"),
    path("transitions/", views.TransitionFeedView.as_view(), name="transition-feed"),
    path("definitions/", definitions.DefinitionListView.as_view(), name="definition-list"),
    path("definitions/<int:pk>/", definitions.DefinitionDetailView.as_view(), name="definition-detail"),
    path("definitions/<int:pk>/what-if/", trials.DefinitionWhatIfView.as_view(), name="api-what-if"),
    path("definitions/<int:pk>/compare/", trials.DefinitionCompareView.as_view(), name="api-compare"),
    path("definitions/<int:pk>/backtest/", trials.DefinitionBacktestView.as_view(), name="api-backtest"),
    path("definitions/<int:pk>/publish/", publishing.DefinitionPublishView.as_view(), name="api-publish"),
    path("definitions/<int:pk>/rollback/", publishing.DefinitionRollBackView.as_view(), name="api-rollback"),
    path("definitions/<int:pk>/approve/", publishing.DefinitionApproveView.as_view(), name="api-approve"),
    path("runs/", runs.RunListView.as_view(), name="run-list"),
    path("runs/<int:pk>/", runs.RunDetailView.as_view(), name="run-detail"),
    path("runs/<int:pk>/cancel/", runs.RunCancelView.as_view(), name="run-cancel-api"),
    path("runs/<int:pk>/retry/", runs.RunRetryView.as_view(), name="run-retry-api"),
    path("runs/<int:pk>/contacts/", runs.RunContactsView.as_view(), name="run-contacts-api"),
]
