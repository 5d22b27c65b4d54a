"""Structured logs: one JSON object a line, or readable lines in development; nobody's data (config/redaction.py).

Every line of a request names its ``request_id``, and so do the lines of the tasks that it woke.
"""

import logging
import logging.config
from typing import Any

import structlog

from config.redaction import RedactingFilter, hide_personal, render_exception

# Whose fields are ours to know: libraries hang requests, arguments and payloads on their lines.
_OURS = ("config", "contacts", "scoring", "funnel", "ripen")
_PLAIN = (str, int, float, bool, type(None))
# Anything that could open a door, wherever it was logged from.
_SECRET_WORDS = ("password", "secret", "token", "authorization", "cookie", "write_key", "api_key", "dsn")


def hide_secrets(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Replace the value of every field whose name speaks of a secret."""
    for name in event:
        if any(word in name.lower() for word in _SECRET_WORDS):
            event[name] = "[hidden]"
    return event


def add_fields(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Add the fields that one of our own lines was given by ``extra=``: plain values and lists of such."""
    record = event.get("_record")
    if record is None or record.name.partition(".")[0] not in _OURS:
        return event
    for name, value in vars(record).items():
        if name not in _STANDARD and name not in event and _is_plain(value):
            event[name] = value
    return event


def _is_plain(value: object) -> bool:
    return isinstance(value, _PLAIN) or (
        isinstance(value, list | tuple) and all(isinstance(item, _PLAIN) for item in value)
    )


_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_SHARED: list[Any] = [
    add_fields,
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.StackInfoRenderer(),
    hide_secrets,
    hide_personal,
]


def logging_settings(*, level: str, readable: bool) -> dict[str, Any]:
    """The standard library's logging configuration, everything through one handler to stderr."""
    renderer: Any = structlog.dev.ConsoleRenderer(colors=False) if readable else structlog.processors.JSONRenderer()
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "()": structlog.stdlib.ProcessorFormatter,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    render_exception,
                    renderer,
                ],
                "foreign_pre_chain": _SHARED,
            },
        },
        "filters": {"redacting": {"()": RedactingFilter}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["redacting"]}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "django": {"handlers": [], "level": level, "propagate": True},
            "django.server": {"handlers": [], "level": level, "propagate": True},
            # A line for each sweep of every two seconds would drown the rest.
            "celery.app.trace": {"level": "WARNING"},
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.beat": {"level": "WARNING"},
            # Hints expire unheard while a worker is busy with long work: the rows they hint at wait all the same.
            "celery.worker.request": {"level": "WARNING"},
            "django_structlog.celery.receivers": {"level": "ERROR"},
        },
    }


def configure(settings: dict[str, Any]) -> None:
    """Set up the standard library's logging and structlog together."""
    logging.config.dictConfig(settings)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
