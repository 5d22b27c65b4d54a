"""Addresses of webhooks below ``/api/v1/``."""

from django.urls import URLPattern, path

from funnel.api.hooks import HookDeliveryListView, HookDeliveryViewSet, HookViewSet

_ACTS = {"secret": "get", "rotate": "post", "test": "post", "disable": "post", "enable": "post", "replay": "post"}

urlpatterns: list[URLPattern] = [
    path("hooks/", HookViewSet.as_view({"get": "list", "post": "create"}), name="api-hook-list"),
    path(
        "hooks/<int:pk>/",
        HookViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
        name="api-hook-detail",
    ),
    *(
        path(f"hooks/<int:pk>/{act}/", HookViewSet.as_view({method: act}), name=f"api-hook-{act}")
        for act, method in _ACTS.items()
    ),
    path("hooks/<int:pk>/deliveries/", HookDeliveryListView.as_view(), name="api-hook-deliveries"),
    path("hook-deliveries/<int:pk>/", HookDeliveryViewSet.as_view({"get": "retrieve"}), name="api-hook-delivery"),
    path(
        "hook-deliveries/<int:pk>/replay/",
        HookDeliveryViewSet.as_view({"post": "replay"}),
        name="api-hook-delivery-replay",
    ),
]
