"""Addresses of the webhooks' pages."""

from django.urls import path

from config.web.places import show_place_to
from contacts.permissions import can_manage_hooks
from funnel.views import hooks

show_place_to("hooks", can_manage_hooks)

urlpatterns = [
    path("hooks/", hooks.hooks, name="hooks"),
    path("hooks/new/", hooks.hook_new, name="hook-new"),
    path("hooks/<int:hook_id>/", hooks.hook, name="hook"),
    path("hooks/<int:hook_id>/edit/", hooks.hook_edit, name="hook-edit"),
    path("hooks/<int:hook_id>/secret/", hooks.hook_secret, name="hook-secret"),
    path("hooks/<int:hook_id>/rotate/", hooks.hook_rotate, name="hook-rotate"),
    path("hooks/<int:hook_id>/test/", hooks.hook_test, name="hook-test"),
    path("hooks/<int:hook_id>/disable/", hooks.hook_disable, name="hook-disable"),
    path("hooks/<int:hook_id>/enable/", hooks.hook_enable, name="hook-enable"),
    path("hooks/<int:hook_id>/delete/", hooks.hook_delete, name="hook-delete"),
    path("hooks/<int:hook_id>/replay/", hooks.hook_replay, name="hook-replay"),
    path("hooks/deliveries/<int:delivery_id>/", hooks.hook_delivery, name="hook-delivery"),
    path("hooks/deliveries/<int:delivery_id>/replay/", hooks.hook_delivery_replay, name="hook-delivery-replay"),
]
