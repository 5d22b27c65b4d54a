"""The root of all addresses: each app's `urls` module names its own, relative to the root."""

from django.conf import settings
from django.urls import URLPattern, URLResolver, include, path
from drf_spectacular.views import SpectacularAPIView

from config import health
from config.api_docs import api_docs
from config.web.gallery import gallery

handler400 = "config.web.errors.bad_request"
handler403 = "config.web.errors.permission_denied"
handler404 = "config.web.errors.page_not_found"
handler500 = "config.web.errors.server_error"

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", api_docs, name="api-docs"),
    path("account/", include("allauth.account.urls")),
    path("", include("contacts.urls")),
    path("", include("scoring.urls")),
    path("", include("funnel.urls")),
]

if settings.DEBUG:
    urlpatterns.append(path("ui/", gallery, name="gallery"))
