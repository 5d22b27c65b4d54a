"""Application configuration of the judgement app."""

from django.apps import AppConfig


class ScoringConfig(AppConfig):
    """Judgement: what the facts mean under a definition."""

    name = "scoring"
    default_auto_field = "django.db.models.BigAutoField"
