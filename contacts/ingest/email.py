"""Reports of e-mail providers: what became of a mail that was sent, or a mail that somebody wrote to us. Pure.

`EmailReport` is what every provider's report is turned into (contacts/api/email_providers.py does that, by
django-anymail), and what is kept of one that could not be taken. The text of a mail and its attachments are never in
it.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from contacts.ingest import limits, times
from contacts.ingest.identifiers import normalise_email
from contacts.ingest.incoming import IncomingEvent, Refused, digest
from contacts.ingest.machines import suspicion
from contacts.ingest.native import Warn

CHANNEL: Final = "email"
AUTOMATIC: Final = "bot: automatic reply"
_LONGEST_AGENT: Final = 500
_LONGEST_URL: Final = 2_000
_LONGEST_TEXT: Final = 300
_LONGEST_ID: Final = 255
_MOST_TAGS: Final = 10


class Mailbox(msgspec.Struct):
    """An address with the name beside it."""

    email: str
    name: str = ""


class EmailReport(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One thing that a provider reports.

    ``event`` is django-anymail's word for it: ``delivered``, ``clicked``, ``inbound``, ... ``email`` is the contact's
    address: who was written to or, of an inbound mail, who wrote. ``event_id`` names the event in every attempt to
    report it, where the provider does that. ``message_id`` is the mail's: the provider's id of the one we sent, the
    Message-ID of an inbound one. ``permanent`` is said of bounces. ``machine`` says why a machine seems to have done
    it. ``to`` are the addresses of ours that an inbound mail went to; ``name`` is its writer's.
    """

    provider: str
    event: str
    email: str
    event_id: str = ""
    at: str = ""
    message_id: str = ""
    url: str = ""
    user_agent: str = ""
    description: str = ""
    reject_reason: str = ""
    permanent: bool = False
    machine: str = ""
    list_name: str = ""
    purpose: str = ""
    campaign: str = ""
    tags: list[str] = []
    honeypot: bool = False
    subject: str = ""
    in_reply_to: str = ""
    to: list[Mailbox] = []
    name: str = ""


class UnreadReport(msgspec.Struct):
    """A report that could not be read, and why, for the administrator."""

    code: str
    message: str


_KINDS: Final = {
    "sent": "email_sent",
    "delivered": "email_delivered",
    "opened": "email_opened",
    "clicked": "email_clicked",
    "bounced": "email_bounced",
    "complained": "email_complained",
    "unsubscribed": "unsubscribed",
    "inbound": "email_replied",
    "autoresponded": "email_replied",
}
# A provider that refuses to send says why: mostly because of what the person did before.
_KINDS_OF_REFUSAL: Final = {"spam": "email_complained", "unsubscribed": "unsubscribed"}
_HARD_REFUSALS: Final = frozenset({"bounced", "invalid"})


def kind_of(report: EmailReport) -> str | None:
    """Return the kind of event that a report is, None for what says nothing about a person.

    Left out: that a mail waits or was put off (what became of it follows), that an address was put on a list at the
    provider (who did that is not known), and what neither django-anymail nor we know.
    """
    if report.event in {"rejected", "failed"}:
        return _KINDS_OF_REFUSAL.get(report.reject_reason, "email_bounced")
    return _KINDS.get(report.event)


def read_report(
    index: int,
    report: EmailReport,
    *,
    received_at: datetime,
    warn: Warn,
    team: Mapping[str, str],
    is_known: bool,
) -> IncomingEvent | None:
    """Turn a report into an event; None where it is none.

    Args:
        index: its place in the batch.
        report: the report.
        received_at: the arrival.
        warn: takes what is odd about it.
        team: names of our people by their address, for the named individual that a reply went to.
        is_known: whether the address is a contact's; only of somebody new is the name taken from a mail.

    Raises:
        Refused: with the first thing that is wrong with it.
    """
    kind = kind_of(report)
    if kind is None:
        return None
    email = normalise_email(report.email, "email")
    occurred_at, odd = times.occurred(report.at or None, received_at=received_at)
    if odd:
        warn(odd, "at", times.WARNINGS[odd])
    properties = _properties(report, kind, team)
    limits.check_value(properties, "")
    message_id = f"{report.provider}:{_identity(report, email)}"
    suspect_reason = report.machine or suspicion(kind, properties)
    if report.event == "autoresponded":
        suspect_reason = AUTOMATIC
    return IncomingEvent(
        index=index,
        message_id=message_id,
        kind=kind,
        occurred_at=occurred_at,
        email=email,
        traits=_name_traits(report.name) if kind == "email_replied" and not is_known else {},
        properties=properties,
        channel=CHANNEL,
        campaign=fit(report.campaign, _LONGEST_ID),
        suspect_reason=suspect_reason,
        # What else a later attempt to report it says does not make it another message.
        body_digest=digest(message_id.encode()),
    )


def _identity(report: EmailReport, email: str) -> str:
    """Return what stays the same whenever this is reported, and tells it from everything else."""
    if report.event == "inbound" and report.message_id:
        # A mail to two of our addresses is reported twice and is one reply.
        parts: tuple[str, ...] = ("inbound", report.message_id, email)
    elif report.event_id:
        parts = (report.event, report.event_id, email)
    else:
        told = (report.message_id, report.at, report.url, report.subject, report.in_reply_to, report.user_agent)
        parts = (report.event, email, *told)
    return hashlib.blake2b("\0".join(parts).encode("utf-8", "replace"), digest_size=16).hexdigest()


def _properties(report: EmailReport, kind: str, team: Mapping[str, str]) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "provider": report.provider,
        "message_id": fit(report.message_id, _LONGEST_ID),
        "url": fit(report.url, _LONGEST_URL),
        "user_agent": fit(report.user_agent, _LONGEST_AGENT),
        "campaign": fit(report.campaign, _LONGEST_ID),
        "tags": [fit(tag, _LONGEST_TEXT) for tag in report.tags[:_MOST_TAGS]],
        "honeypot": report.honeypot or None,
    }
    if kind == "email_bounced":
        is_hard = report.permanent if report.event == "bounced" else report.reject_reason in _HARD_REFUSALS
        if report.event == "failed" and not report.reject_reason:
            is_hard = report.permanent
        properties["type"] = "hard" if is_hard else "soft"
        properties["reason"] = fit(report.description, _LONGEST_TEXT)
    elif kind == "unsubscribed":
        properties["list"] = fit(report.list_name, _LONGEST_ID)
        properties["purpose"] = fit(report.purpose, _LONGEST_ID)
    elif kind == "email_replied":
        properties["subject"] = fit(report.subject, _LONGEST_TEXT)
        properties["in_reply_to"] = fit(report.in_reply_to, _LONGEST_ID)
        properties["to"] = fit(report.to[0].email if report.to else "", _LONGEST_ID)
        properties["with"] = name_addressed(report.to, team)
    if report.event in {"rejected", "failed"}:
        properties["reported_as"] = report.event
    return {key: value for key, value in properties.items() if value not in (None, "", [])}


def fit(text: str, longest: int) -> str:
    """Return a text that can be stored: cut, without NUL and lone surrogates."""
    return text[:longest].encode("utf-8", "replace").decode().replace("\0", "").strip()


# Whom a mail went to

# Mailboxes that nobody in particular reads, by what stands before the @ (RFC 2142, and what is usual besides).
_ROLES: Final = frozenset(
    {
        "abuse", "accounts", "admin", "anfrage", "billing", "contact", "contacto", "customerservice", "donotreply",
        "enquiries", "events", "feedback", "hallo", "hello", "help", "helpdesk", "hi", "hr", "inbound", "inbox", "info",
        "inquiries", "jobs", "kontakt", "mail", "mailer-daemon", "marketing", "news", "newsletter", "no-reply",
        "noreply", "office", "orders", "parse", "post", "postmaster", "press", "privacy", "replies", "reply", "sales",
        "security", "service", "support", "team", "vertrieb", "web", "webmaster",
    }
)  # fmt: skip
# What inbound services make up: nobody is called that.
_MADE_UP: Final = re.compile(r"(?=.{16,})(?=.*\d)[0-9a-z_-]+|.{41,}|\d+")


def name_addressed(mailboxes: Sequence[Mailbox], team: Mapping[str, str]) -> str:
    """Return the named individual of ours that a mail was addressed to, ``""`` where it went to nobody in particular.

    One of the team by their address, else the first mailbox that is a person's: by the name beside it, or the address.
    """
    for mailbox in mailboxes:
        named = team.get(mailbox.email.strip().lower())
        if named:
            return named
    for mailbox in mailboxes:
        local, _, domain = mailbox.email.strip().lower().partition("@")
        local = local.partition("+")[0]
        if not domain or local in _ROLES or _MADE_UP.fullmatch(local):
            continue
        return fit(mailbox.name if mailbox.name and "@" not in mailbox.name else mailbox.email, _LONGEST_TEXT)
    return ""


def _name_traits(name: str) -> dict[str, str]:
    """Return the names of a mail's writer as traits; ``Doe, Jane`` is read as such."""
    text = fit(name, 150)
    if not text or "@" in text:
        return {}
    last, comma, first = (part.strip() for part in text.partition(","))
    if not comma:
        first, _, last = (part.strip() for part in text.rpartition(" "))
        if not first:
            first, last = last, ""
    return {key: value for key, value in (("first_name", first), ("last_name", last)) if value}


# Whether a person wrote it

_SAID_BY_SUBJECT: Final = re.compile(
    r"\s*(?:auto(?:matic|matische|mated)?[ -]?(?:reply|response|antwort)|out of (?:the )?office|abwesen|"
    r"r[ée]ponse automatique|respuesta autom[áa]tica|risposta automatica|resposta autom[áa]tica|"
    r"automatisch antwoord|autosvar|auto:|undeliver|delivery status notification|mail delivery)",
    re.IGNORECASE,
)
_PROGRAMS: Final = frozenset(
    {"mailer-daemon", "postmaster", "noreply", "no-reply", "donotreply", "do-not-reply", "bounce", "bounces"}
)


def machine_wrote(headers: Mapping[str, str], *, email: str, subject: str, is_spam: bool) -> str:
    """Return why no person seems to have written this inbound mail to us, ``""`` where one did.

    RFC 3834 (Auto-Submitted), RFC 3464 (delivery reports), RFC 2919 and 2369 (lists), and what mail programs sent
    before these or besides.

    Args:
        headers: of the mail, by lower-case name.
        email: who wrote it.
        subject: its subject.
        is_spam: whether the provider takes it for spam.
    """
    local = email.partition("@")[0].lower()
    if "multipart/report" in headers.get("content-type", "").lower() or local == "mailer-daemon":
        return "bot: delivery report"
    submitted = headers.get("auto-submitted", "no").partition(";")[0].strip().lower()
    automatic = any(headers.get(name, "").strip() for name in ("x-autoreply", "x-autorespond", "x-autoresponder"))
    precedence = headers.get("precedence", "").strip().lower()
    if submitted not in {"no", ""} or automatic or precedence == "auto_reply" or _SAID_BY_SUBJECT.match(subject):
        return AUTOMATIC
    if any(headers.get(name) for name in ("list-id", "list-unsubscribe")) or precedence in {"bulk", "list", "junk"}:
        return "bot: mailing list"
    if local in _PROGRAMS:
        return "bot: sent by a program"
    return "bot: spam" if is_spam else ""


def as_payload(report: EmailReport) -> dict[str, Any]:
    """Return a report as it is kept where it could not be taken."""
    payload: dict[str, Any] = msgspec.to_builtins(report)
    return payload


def from_payload(payload: Any) -> EmailReport:
    """Return the report that ``as_payload`` gave.

    Raises:
        Refused: it is none.
    """
    try:
        return msgspec.convert(payload, EmailReport)
    except (msgspec.ValidationError, TypeError) as error:
        raise Refused("unreadable", "", f"This is no report of a provider: {error}") from None
