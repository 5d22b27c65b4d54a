"""What e-mail providers say of an event that django-anymail does not normalise, each in its own words. Pure.

``raw`` is the provider's own event as it came (a JSON object, or a form's fields). Whatever is not as a provider
documents it counts as not said.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

Raw = Mapping[str, Any]


def _at(raw: Any, *path: str) -> Any:
    for key in path:
        raw = raw.get(key) if isinstance(raw, Mapping) else None
    return raw


def _is_hard_at_mailgun(raw: Raw) -> bool:
    severity = _at(raw, "event-data", "severity")
    # Before 2018 a permanent failure was told by its SMTP code alone.
    return severity == "permanent" if severity else str(_at(raw, "code") or "").startswith("5")


def _is_hard_at_postmark(raw: Raw) -> bool:
    # "Inactive": the provider itself sends nothing there any more.
    return raw.get("Type") in ("HardBounce", "BadEmailAddress") or raw.get("Inactive") is True


def _is_hard_at_resend(raw: Raw) -> bool:
    kind = _at(raw, "data", "bounce", "type")
    if isinstance(kind, str):
        return kind.lower() == "permanent"
    message = _at(raw, "data", "bounce", "message")
    return isinstance(message, str) and ("hard bounce" in message or "suppressed" in message)


def _is_hard_at_sparkpost(raw: Raw) -> bool:
    event: Any = next(iter(_at(raw, "msys").values()), None) if isinstance(_at(raw, "msys"), Mapping) else None
    # Classes of "hard" in the provider's list of bounce classification codes.
    return str(_at(event, "bounce_class")) in {"10", "30", "90"}


# Whether a bounce is permanent. A provider that reports only permanent ones as bounces is not listed.
_IS_HARD: Final[Mapping[str, Callable[[Raw], bool]]] = {
    "amazon_ses": lambda raw: _at(raw, "bounce", "bounceType") == "Permanent",
    "brevo": lambda raw: raw.get("event") in ("hard_bounce", "invalid_email"),
    "mailersend": lambda raw: _at(raw, "data", "type") == "hard_bounced",
    "mailgun": _is_hard_at_mailgun,
    "mailjet": lambda raw: raw.get("hard_bounce") in (True, "true", "1"),
    "mandrill": lambda raw: raw.get("event") == "hard_bounce",
    "postmark": _is_hard_at_postmark,
    "resend": _is_hard_at_resend,
    # "blocked": refused for what the mail is or where it comes from, not for the mailbox.
    "sendgrid": lambda raw: raw.get("type") != "blocked",
    "sparkpost": _is_hard_at_sparkpost,
    "unisender_go": lambda raw: (
        _at(raw, "delivery_info", "delivery_status")
        in {None, "", "err_user_unknown", "err_user_inactive", "err_mailbox_discarded", "err_domain_inactive"}
    ),
}


def is_permanent(provider: str, raw: Any) -> bool:
    """Tell whether a bounce means that the mailbox does not exist, and not that it is full or busy today."""
    ask = _IS_HARD.get(provider)
    return ask is None or (isinstance(raw, Mapping) and ask(raw))


def _machine_at_mailgun(raw: Raw) -> bool:
    return bool(_at(raw, "event-data", "client-info", "bot"))


def _machine_at_sparkpost(raw: Raw) -> bool:
    event: Any = next(iter(_at(raw, "msys").values()), None) if isinstance(_at(raw, "msys"), Mapping) else None
    parsed = _at(event, "user_agent_parsed")
    return any(_at(parsed, name) is True for name in ("is_proxy", "is_prefetched"))


_IS_MACHINE: Final[Mapping[str, Callable[[Raw], bool]]] = {
    "brevo": lambda raw: raw.get("event") in ("proxy_open", "unique_proxy_open"),
    "mailgun": _machine_at_mailgun,
    "sendgrid": lambda raw: raw.get("sg_machine_open") is True,
    "sparkpost": _machine_at_sparkpost,
}


def machine_of(provider: str, raw: Any) -> str:
    """Return why the provider itself takes an open or click for a machine's, ``""`` where it says nothing."""
    ask = _IS_MACHINE.get(provider)
    if ask is None or not isinstance(raw, Mapping) or not ask(raw):
        return ""
    return "bot: the e-mail provider says so"


# Where a provider names the list or group that somebody left.
_LISTS: Final[Mapping[str, tuple[str, ...]]] = {
    "mailgun": ("event-data", "mailing-list", "address"),
    "mailjet": ("mj_list_id",),
    "sendgrid": ("asm_group_id",),
}
# Mailgun says of a mail that it did not even send why it would not.
_MAILGUN_REASONS: Final = {
    "suppress-bounce": "bounced",
    "suppress-complaint": "spam",
    "suppress-unsubscribe": "unsubscribed",
}


def list_of(provider: str, raw: Any) -> str:
    """Return the list or group that was left, as the provider names it; ``""`` where it names none."""
    path = _LISTS.get(provider)
    value = _at(raw, *path) if path else None
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def reject_reason_of(provider: str, raw: Any, normalised: str) -> str:
    """Return why nothing was sent, in django-anymail's words (``bounced``, ``spam``, ``unsubscribed``, ...)."""
    if provider != "mailgun":
        return normalised
    return _MAILGUN_REASONS.get(str(_at(raw, "event-data", "reason")), normalised)


def agent_of(provider: str, raw: Any, normalised: str) -> str:
    """Return the user agent of an open or click, also where django-anymail passes it over."""
    return normalised or str((_at(raw, "data", "open", "userAgent") if provider == "resend" else "") or "")


def event_id_of(provider: str, raw: Any, normalised: str) -> str:
    """Return what the provider names this event by in every attempt to report it, ``""`` where it does not."""
    # Mailgun signs each attempt with a token of its own; its ids are unique within a day, as the time tells them apart.
    if provider == "mailgun":
        named = _at(raw, "event-data", "id")
        return f"{named} {_at(raw, 'event-data', 'timestamp')}" if named else ""
    return normalised
