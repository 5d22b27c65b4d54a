"""Application configuration of the judgement app."""

from django.apps import AppConfig


class ScoringConfig(AppConfig):
    """Judgement: what the facts mean under a definition."""

    name = "scoring"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Lend the facts app the names that the definition in force gives to the stages, and look after our rows."""
        from contacts.registry import Foresight, Handlers, register_definition, register_foresight, register_handlers
        from scoring.selectors.definitions import definition_names
        from scoring.services.erasing import erase_judgements, export_judgements
        from scoring.services.foresight import close_to_ripening, falling_soon
        from scoring.services.merging import merge_judgements, part_judgements

        register_definition(definition_names)
        register_foresight(Foresight(falling=falling_soon, ripening=close_to_ripening))
        register_handlers(self.name, Handlers(merge_judgements, part_judgements, erase_judgements, export_judgements))
