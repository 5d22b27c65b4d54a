"""Application configuration of the facts app."""

from django.apps import AppConfig


class ContactsConfig(AppConfig):
    """Facts: who the contacts are and what they did."""

    name = "contacts"
    default_auto_field = "django.db.models.BigAutoField"
