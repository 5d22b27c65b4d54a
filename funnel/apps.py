"""Application configuration of the consequence app."""

from django.apps import AppConfig


class FunnelConfig(AppConfig):
    """Consequence: what people do about a judgement."""

    name = "funnel"
    default_auto_field = "django.db.models.BigAutoField"
