"""Application configuration of the judgement app."""

from django.apps import AppConfig


class ScoringConfig(AppConfig):
    """Judgement: what the facts mean under a definition."""

    name = "scoring"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Lend the facts app the names that the definition in force gives to the stages."""
        from contacts.registry import register_definition
        from scoring.selectors.definitions import definition_names

        register_definition(definition_names)
