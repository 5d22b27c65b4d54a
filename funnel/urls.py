"""Addresses of the app."""

from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("funnel.views.urls")),
    path("", include("funnel.views.notice_urls")),
    path("", include("funnel.views.hook_urls")),
    path("api/v1/", include("funnel.api.urls")),
    path("api/v1/", include("funnel.api.notice_urls")),
    path("api/v1/", include("funnel.api.hook_urls")),
]
