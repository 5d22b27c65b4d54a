"""Keeping personal data out of logs and error reports: what a line may say, and what it may not.

A log outlives the people it speaks of, and an erasure cannot reach it. So no line holds an e-mail address, the query
of an address, who visited from where, or the message of an exception, for those quote the values that they stumbled
over (PostgreSQL: ``Key (value, kind)=(ann@example.com, email) already exists.``). What is left says where in the code
something went wrong and what kind of thing it was.
"""

import logging
import re
import sys
import traceback
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Final, TypeAlias

from django.core.exceptions import ImproperlyConfigured
from django.template import TemplateDoesNotExist, TemplateSyntaxError

ExcInfo: TypeAlias = tuple[type[BaseException] | None, BaseException | None, TracebackType | None]

# Who visits, and with what: of visitors of forms and preference pages that is personal data.
_OF_VISITORS: Final = ("ip", "user_agent")
# Texts are cut into words and each is looked at once: a pattern that looks for an address or a query from every place
# of a long text costs the square of its length.
_WORD: Final = re.compile(r"[^\s\"'<>(),;:=/?&]+")
_AT: Final = re.compile(r"@|%40")
_PATH: Final = re.compile(r"[^\s\"']+")
# Keys that open something here, which some addresses hold (contacts/keys.py).
_KEY: Final = re.compile(r"\b(?:rpn_[a-z]+_[\w-]+|whsec_[\w+/=]+)")
# Whoever has one of the links in mails may do what its reader may: agree, join, set a new password.
_LINK: Final = re.compile(r"(/(?:preferences|unsubscribe|confirm|invitation|account/password/reset/key)/)[^\s/?\"']+")
_LONGEST: Final = 500
_MOST_IN_A_CHAIN: Final = 10
# Their messages speak of code and files of ours, never of data.
_ABOUT_CODE: Final = (
    AttributeError, ImportError, ImproperlyConfigured, MemoryError, NameError, RecursionError, TemplateDoesNotExist,
    TemplateSyntaxError, TypeError,
)  # fmt: skip
# Names of classes whose messages are about a connection.
_ABOUT_CONNECTIONS: Final = frozenset({"BusyLoadingError", "ConnectionError", "TimeoutError"})


def redact(text: str) -> str:
    """Return a text without e-mail addresses, keys of ours, links in mails, and the queries of addresses."""
    if "?" in text:
        text = _PATH.sub(_without_query, text)
    if "@" in text or "%40" in text:
        text = _WORD.sub(_without_address, text)
    return _LINK.sub(r"\1[link]", _KEY.sub("[key]", text))


def _without_query(found: re.Match[str]) -> str:
    """``/contacts/?q=ann`` -> ``/contacts/?[query]``; what has no path before its question mark stays."""
    word = found[0]
    mark = word.find("?", word.find("/") + 1) if "/" in word else -1
    return f"{word[:mark]}?[query]" if 0 <= mark < len(word) - 1 else word


def _without_address(found: re.Match[str]) -> str:
    """A word that holds something before an at-sign and a dot after it is one, whatever else it holds."""
    word = found[0]
    at = _AT.search(word, 1)
    return "[address]" if at and 0 < word.find(".", at.end() + 1) < len(word) - 1 else word


def describe_exception(error: BaseException) -> str:
    """Return the type of an exception, with as much of its message as cannot quote anybody's data.

    Of what PostgreSQL refused that is the SQLSTATE and the names of table, column and constraint.
    """
    name = type(error).__name__
    said = _harmless_message(error)
    return f"{name}: {redact(said)[:_LONGEST]}" if said else f"{name} (its message is withheld)"


def _harmless_message(error: BaseException) -> str:
    refusal = error if hasattr(error, "pgcode") else error.__cause__
    if refusal is not None and hasattr(refusal, "pgcode"):
        if refusal.pgcode is None:
            # No statement was answered: it is about the connection.
            return str(refusal).strip().partition("\n")[0]
        diagnosis = getattr(refusal, "diag", None)
        parts = [getattr(diagnosis, part, None) for part in ("table_name", "column_name", "constraint_name")]
        return " ".join([f"SQLSTATE {refusal.pgcode}", *(part for part in parts if part)])
    if isinstance(error, OSError) and error.strerror:
        return f"{error.errno} {error.strerror}"
    if isinstance(error, _ABOUT_CODE) or (
        type(error).__name__ in _ABOUT_CONNECTIONS and type(error).__module__.startswith(("redis", "kombu"))
    ):
        return str(error)
    return ""


def format_exception(error: BaseException | None) -> str:
    """Return the traceback of an exception and of what caused it, each described by ``describe_exception``."""
    parts = []
    for one, why in _chain(error):
        lines = traceback.format_tb(one.__traceback__)
        parts.append("".join(["Traceback (most recent call last):\n", *lines, describe_exception(one), why]))
    return "".join(reversed(parts))


def _chain(error: BaseException | None) -> Iterator[tuple[BaseException, str]]:
    """The exception and what led to it, each with what is said after it; the latest first."""
    why, seen = "", set[int]()
    while error is not None and id(error) not in seen and len(seen) < _MOST_IN_A_CHAIN:
        seen.add(id(error))
        yield error, why
        if error.__cause__ is not None:
            error, why = error.__cause__, "\n\nwas the direct cause of:\n\n"
        else:
            error = None if error.__suppress_context__ else error.__context__
            why = "\n\nwas being handled when this happened:\n\n"


def render_exception(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Put the harmless traceback in place of ``exc_info``; a processor of structlog."""
    given = event.pop("exc_info", None)
    error = given if isinstance(given, BaseException) else None
    if isinstance(given, tuple):
        error = given[1]
    elif given is True:
        error = sys.exc_info()[1]
    if error is not None:
        event["exception"] = format_exception(error)
    return event


def hide_personal(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Take out of a line what could be about a person; a processor of structlog."""
    if event.get("exc_info") or isinstance(event.get("exception"), BaseException):
        # Celery's receivers say it as text, too.
        event.pop("error", None)
        event.pop("exception", None)
    for name in _OF_VISITORS:
        event.pop(name, None)
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = redact(value)
        elif isinstance(value, list | tuple) and name != "exc_info":
            event[name] = [redact(item) if isinstance(item, str) else item for item in value]
        elif isinstance(value, BaseException) and name != "exc_info":
            event[name] = describe_exception(value)
    return event


class RedactingFilter(logging.Filter):
    """Rewrites every record of the standard library before it is formatted; lets all pass."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact the message; exceptions among its arguments are described."""
        if isinstance(record.msg, Mapping):
            # Of structlog, whose processors have seen to it.
            return True
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if isinstance(record.args, Mapping):
            record.args = {name: self._argument(name, value, error) for name, value in record.args.items()}
        elif record.args:
            record.args = tuple(self._argument("", value, error) for value in record.args)
        try:
            said = record.getMessage()
        except (TypeError, ValueError, KeyError):
            said = str(record.msg)
        record.msg, record.args = redact(said), ()
        return True

    @staticmethod
    def _argument(name: str, value: object, error: BaseException | None) -> object:
        if isinstance(value, BaseException):
            return describe_exception(value)
        if name == "exc":
            # Celery hands over the exception's text.
            return describe_exception(error) if error is not None else "withheld"
        return "withheld" if name in {"traceback", "args", "kwargs"} else value


class RedactingFormatter(logging.Formatter):
    """Formats exceptions without their messages."""

    def formatException(self, ei: Any) -> str:  # noqa: N802  the standard library's name
        """Return the harmless traceback."""
        return format_exception(ei[1])


def scrub_report(event: dict[str, Any], hint: Mapping[str, Any]) -> dict[str, Any]:
    """Return a Sentry event without anybody's data: the kind of fault, where in the code, at which address."""
    info: ExcInfo = hint.get("exc_info") or (None, None, None)
    told = {type(error).__name__: _harmless_message(error) for error, _ in _chain(info[1])}
    for value in (event.get("exception") or {}).get("values") or []:
        value["value"] = redact(told.get(str(value.get("type")), ""))
    entry = event.pop("logentry", None) or {}
    if entry.get("message"):
        event["logentry"] = {"message": redact(str(entry["message"])), "params": []}
    if isinstance(event.get("message"), str):
        event["message"] = redact(event["message"])
    request = event.pop("request", None) or {}
    if request:
        event["request"] = {"method": request.get("method"), "url": redact(str(request.get("url", "")))}
    for name in ("user", "extra", "breadcrumbs"):
        event.pop(name, None)
    return event
