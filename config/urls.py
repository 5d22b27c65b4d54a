"""The root of all addresses: each app's `urls` module names its own, relative to the root."""

from django.conf import settings
from django.urls import URLPattern, URLResolver, include, path

from config import health
from config.web.gallery import gallery

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
    path("account/", include("allauth.account.urls")),
    path("", include("contacts.urls")),
    path("", include("scoring.urls")),
    path("", include("funnel.urls")),
]

if settings.DEBUG:
    urlpatterns.append(path("ui/", gallery, name="gallery"))
