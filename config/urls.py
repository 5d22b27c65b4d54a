"""The root of all addresses: each app's `urls` module names its own, relative to the root."""

from django.urls import include, path

urlpatterns = [
    path("account/", include("allauth.account.urls")),
    path("", include("contacts.urls")),
    path("", include("scoring.urls")),
    path("", include("funnel.urls")),
]
