"""Application configuration of the wiring: registers `manage.py up`, the system checks and the Celery application."""

from django.apps import AppConfig


class WiringConfig(AppConfig):
    """Holds no models."""

    name = "config"
    label = "wiring"
    verbose_name = "Wiring"

    def ready(self) -> None:
        """Register the system checks, and make our Celery application the one that wake-up hints are sent by."""
        # Registration is the imports' effect.
        from config import celery, checks, network, request_ids, signing_in  # noqa: F401

        signing_in.listen()
