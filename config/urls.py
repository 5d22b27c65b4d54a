"""The root of all addresses: each app's `urls` module names its own, relative to the root."""

from django.conf import settings
from django.urls import URLPattern, URLResolver, include, path
from django.views.i18n import set_language
from drf_spectacular.views import SpectacularAPIView

from config import health
from config.accounts import not_offered
from config.api_docs import api_docs
from config.web.docs_pages import docs, docs_image, docs_page
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
    # Parts of allauth that Ripen does not offer: an address is an administrator's to give.
    path("account/email/", not_offered),
    path("account/confirm-email/", not_offered),
    path("account/confirm-email/<str:key>/", not_offered),
    path("account/login/code/confirm/", not_offered),
    path("account/", include("allauth.account.urls")),
    path("account/security/", include("allauth.mfa.urls")),
    path("account/sessions/", include("allauth.usersessions.urls")),
    path("language/", set_language, name="set-language"),
    path("docs/", docs, name="docs"),
    path("docs/images/<str:name>", docs_image, name="docs-image"),
    path("docs/<path:slug>/", docs_page, name="docs-page"),
    path("", include("contacts.urls")),
    path("", include("scoring.urls")),
    path("", include("funnel.urls")),
]

if settings.DEBUG:
    urlpatterns.append(path("ui/", gallery, name="gallery"))
