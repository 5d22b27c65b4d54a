"""Addresses of the facts over HTTP."""

from django.urls import URLPattern, URLResolver, include, path, re_path
from rest_framework.routers import SimpleRouter

from contacts.api.consent import ContactConsentView, SuppressionsView
from contacts.api.corrections import ReclassifyEventsView, RestoreEventsView, RetractEventsView
from contacts.api.email_hooks import receive_reports
from contacts.api.ingest import OtherPosthogView, PosthogView, SegmentView, ShortSegmentView
from contacts.api.jobs import JobCancelView, JobDetailView, JobFileView, JobListView, JobResumeView
from contacts.api.merges import MergeContactsView, MergeSuggestionViewSet, MergeViewSet
from contacts.api.views import CompanyViewSet, ContactViewSet, EventsView
from contacts.ingest.segment import SHORT_TYPES

router = SimpleRouter()
router.register("contacts", ContactViewSet, basename="api-contact")
router.register("companies", CompanyViewSet, basename="api-company")
router.register("merges", MergeViewSet, basename="api-merge")
router.register("merge-suggestions", MergeSuggestionViewSet, basename="api-merge-suggestion")

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/v1/events/", EventsView.as_view(), name="api-events"),
    path("api/v1/events/retract/", RetractEventsView.as_view(), name="api-events-retract"),
    path("api/v1/events/restore/", RestoreEventsView.as_view(), name="api-events-restore"),
    path("api/v1/events/reclassify/", ReclassifyEventsView.as_view(), name="api-events-reclassify"),
    path("api/v1/contacts/merge/", MergeContactsView.as_view(), name="api-contact-merge"),
    path("api/v1/contacts/<str:pk>/consent/", ContactConsentView.as_view(), name="api-contact-consent"),
    path("api/v1/jobs/", JobListView.as_view(), name="api-job-list"),
    path("api/v1/jobs/<str:pk>/", JobDetailView.as_view(), name="api-job-detail"),
    path("api/v1/jobs/<str:pk>/cancel/", JobCancelView.as_view(), name="api-job-cancel"),
    path("api/v1/jobs/<str:pk>/resume/", JobResumeView.as_view(), name="api-job-resume"),
    path("api/v1/jobs/<str:pk>/file/", JobFileView.as_view(), name="api-job-file"),
    path("api/v1/suppressions/", SuppressionsView.as_view(), name="api-suppressions"),
    path("api/v1/", include(router.urls)),
    re_path(r"^hooks/email/(?P<provider>[a-z_]{1,32})/(?P<token>[^/]{1,200})/?$", receive_reports, name="email-hook"),
    *(
        re_path(rf"^v1/{name}/?$", view.as_view(), name=f"segment-{name}")
        for name, view in {"batch": SegmentView, "b": ShortSegmentView, "import": SegmentView}.items()
    ),
    *(
        re_path(rf"^v1/{call}/?$", SegmentView.as_view(call=call), name=f"segment-{call}")
        for call in SHORT_TYPES.values()
    ),
    *(
        re_path(rf"^v1/{name}/?$", ShortSegmentView.as_view(call=call), name=f"segment-{name}")
        for name, call in SHORT_TYPES.items()
    ),
    *(
        re_path(rf"^{name}/?$", view.as_view(), name=f"posthog-{name.replace('/', '-')}")
        for name, view in {
            "batch": PosthogView,
            "capture": OtherPosthogView,
            "e": OtherPosthogView,
            "i/v0/e": OtherPosthogView,
        }.items()
    ),
]
