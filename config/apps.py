"""Application configuration of the wiring: registers `manage.py up` and the deployment checks."""

from django.apps import AppConfig


class WiringConfig(AppConfig):
    """Holds no models."""

    name = "config"
    label = "wiring"
    verbose_name = "Wiring"

    def ready(self) -> None:
        """Register the system checks."""
        from config import checks  # noqa: F401  registration is the import's effect
