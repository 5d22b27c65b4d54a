"""System checks that keep the environment honest."""

import importlib.util
from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, register


@register()
def check_driver(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Refuse to run beside psycopg 3: Django would pick it silently, and the COPY paths are written for psycopg2."""
    if importlib.util.find_spec("psycopg") is None:
        return []
    return [
        Error(
            "psycopg 3 is installed; Django would use it instead of psycopg2.",
            hint="Remove the package psycopg from the environment.",
            id="ripen.E001",
        )
    ]
