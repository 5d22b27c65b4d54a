"""Application configuration of what every app's pages and endpoints share."""

from django.apps import AppConfig


class WebConfig(AppConfig):
    """Errors, pages of lists, repeated requests, component tags."""

    name = "config.web"
    label = "web"
    default_auto_field = "django.db.models.BigAutoField"
