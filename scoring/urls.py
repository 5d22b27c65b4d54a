"""Addresses of the app."""

from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/v1/", include("scoring.api.urls")),
    path("", include("scoring.views.urls")),
]
