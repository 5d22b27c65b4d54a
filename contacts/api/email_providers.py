"""The providers that django-anymail knows, and their web hooks' bodies read by its views, one event at a time.

Its views are used for reading and for checking signatures alone: who calls is known by the token in our address, and
what was read goes the one way in. A body with several events is read piece by piece, so that one that nobody
understands does not sink its neighbours.
"""

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import getaddresses, parseaddr
from io import BytesIO
from typing import Any, Final, TypeAlias

from anymail.exceptions import AnymailConfigurationError, AnymailNotSupportedWarning, AnymailWebhookValidationFailure
from anymail.inbound import AnymailInboundMessage
from anymail.signals import AnymailInboundEvent, AnymailTrackingEvent
from anymail.webhooks import (
    brevo,
    mailersend,
    mailgun,
    mailjet,
    mailtrap,
    mandrill,
    postal,
    postmark,
    resend,
    sendgrid,
    sparkpost,
    unisender_go,
)
from anymail.webhooks.base import AnymailCoreWebhookView
from django.conf import settings
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent
from django.core.files.uploadhandler import FileUploadHandler, SkipFile
from django.http import HttpRequest, QueryDict
from django.http.multipartparser import MultiPartParser, MultiPartParserError

from contacts.api.email_fetching import (
    AmazonInbound,
    AmazonTracking,
    CannotFetch,
    MailtrapInbound,
    ResendInbound,
    TryAgain,
)
from contacts.ingest import email_dialects as dialects
from contacts.ingest.email import EmailReport, Mailbox, UnreadReport, machine_wrote
from contacts.ingest.email_bodies import form_without_texts, is_inbound, pieces_of, without_texts
from contacts.ingest.incoming import TooLarge, Unreadable

View: TypeAlias = type[AnymailCoreWebhookView]


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider: what it is called, which views read what it posts, and what they need to know.

    ``keys`` and ``inbound_keys`` are the views' arguments, each with the name of the setting in ANYMAIL that it comes
    from. The first argument is what the provider signs with (``signs``): while its setting is missing, signatures are
    not checked. ``is_checked_always``: there is something to check without any setting.
    """

    name: str
    tracking: View
    inbound: View | None
    keys: Mapping[str, str] = field(default_factory=dict)
    inbound_keys: Mapping[str, str] = field(default_factory=dict)
    signs: bool = False
    is_checked_always: bool = False


_MAILGUN_KEY: Final = {"webhook_signing_key": "MAILGUN_WEBHOOK_SIGNING_KEY"}
_POSTAL_KEY: Final = {"webhook_key": "POSTAL_WEBHOOK_KEY"}

PROVIDERS: Final[Mapping[str, Provider]] = {
    "amazon_ses": Provider("Amazon SES", AmazonTracking, AmazonInbound, is_checked_always=True),
    "brevo": Provider(
        "Brevo",
        brevo.BrevoTrackingWebhookView,
        brevo.BrevoInboundWebhookView,
        # For attachments, which are left aside; the view asks for it all the same.
        inbound_keys={"api_key": "BREVO_API_KEY"},
    ),
    "mailersend": Provider(
        "MailerSend",
        mailersend.MailerSendTrackingWebhookView,
        mailersend.MailerSendInboundWebhookView,
        {"signing_secret": "MAILERSEND_SIGNING_SECRET"},
        {"inbound_secret": "MAILERSEND_INBOUND_SECRET"},
        signs=True,
    ),
    "mailgun": Provider(
        "Mailgun",
        mailgun.MailgunTrackingWebhookView,
        mailgun.MailgunInboundWebhookView,
        _MAILGUN_KEY,
        _MAILGUN_KEY,
        signs=True,
    ),
    "mailjet": Provider("Mailjet", mailjet.MailjetTrackingWebhookView, mailjet.MailjetInboundWebhookView),
    "mailtrap": Provider(
        "Mailtrap",
        mailtrap.MailtrapTrackingWebhookView,
        MailtrapInbound,
        {"tracking_secret": "MAILTRAP_TRACKING_SECRET"},
        {"inbound_secret": "MAILTRAP_INBOUND_SECRET", "api_token": "MAILTRAP_API_TOKEN"},
        signs=True,
    ),
    "mandrill": Provider(
        "Mandrill",
        mandrill.MandrillCombinedWebhookView,
        mandrill.MandrillCombinedWebhookView,
        {"webhook_key": "MANDRILL_WEBHOOK_KEY"},
        {"webhook_key": "MANDRILL_WEBHOOK_KEY"},
        signs=True,
    ),
    "postal": Provider(
        "Postal",
        postal.PostalTrackingWebhookView,
        postal.PostalInboundWebhookView,
        _POSTAL_KEY,
        _POSTAL_KEY,
        signs=True,
    ),
    "postmark": Provider("Postmark", postmark.PostmarkTrackingWebhookView, postmark.PostmarkInboundWebhookView),
    "resend": Provider(
        "Resend",
        resend.ResendTrackingWebhookView,
        ResendInbound,
        {"signing_secret": "RESEND_SIGNING_SECRET"},
        {"inbound_secret": "RESEND_INBOUND_SECRET", "api_key": "RESEND_API_KEY"},
        signs=True,
    ),
    "sendgrid": Provider(
        "SendGrid",
        sendgrid.SendGridTrackingWebhookView,
        sendgrid.SendGridInboundWebhookView,
        {"tracking_webhook_verification_key": "SENDGRID_TRACKING_WEBHOOK_VERIFICATION_KEY"},
        signs=True,
    ),
    "sparkpost": Provider("SparkPost", sparkpost.SparkPostTrackingWebhookView, sparkpost.SparkPostInboundWebhookView),
    "unisender_go": Provider(
        "Unisender Go",
        unisender_go.UnisenderGoTrackingWebhookView,
        None,
        {"api_key": "UNISENDER_GO_API_KEY"},
        signs=True,
    ),
}


class BadSignature(Exception):
    """The provider's signature is missing or wrong; the text says which setting to look at."""


class _Part(HttpRequest):
    """A request that holds one event of another, for a view that reads requests."""

    def __init__(self, whole: HttpRequest, body: bytes, form: Mapping[str, str]) -> None:
        super().__init__()
        self.META = whole.META
        self.method = "POST"
        self.path = self.path_info = whole.path
        self.content_type = whole.content_type
        self.content_params = whole.content_params
        self._own_body = body
        self.POST.update(form)

    @property
    def body(self) -> bytes:
        """The body of this part."""
        return self._own_body


class _NoFiles(FileUploadHandler):
    """Attachments are never looked at."""

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        """Let the parser pass over the file."""
        raise SkipFile

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Receive nothing."""

    def file_complete(self, file_size: int) -> None:
        """Have no file."""


def read_body(provider_key: str, request: HttpRequest, body: bytes) -> list[EmailReport | UnreadReport]:
    """Read what a provider posted, in its order; what concerns no mail is left out.

    Args:
        provider_key: one of PROVIDERS.
        request: for its headers; its own body is not touched.
        body: the body, unpacked.

    Raises:
        Unreadable: the body is neither JSON nor a form, as the provider's should be.
        TooLarge: a form's fields are over the limit.
        BadSignature: there is a key to check the signature with, and it does not fit.
        TryAgain: the mail it speaks of has to be fetched, and the provider does not answer.
    """
    provider = PROVIDERS[provider_key]
    form = _read_form(request, body)
    document = None if form is not None else _read_json(body)
    inbound = is_inbound(provider_key, document, form)
    view_class = provider.inbound if inbound else provider.tracking
    if view_class is None:
        return []
    keys = provider.inbound_keys if inbound else provider.keys
    view = _make_view(view_class, provider, keys, request)
    _check_signature(view, provider, keys, _Part(request, body, form or {}))
    if inbound and form is not None:
        form = form_without_texts(form)
    found: list[EmailReport | UnreadReport] = []
    for part in _parts(provider_key, request, document, form, inbound=inbound):
        found += _read_part(provider_key, provider, view, part)
    return found


def _read_form(request: HttpRequest, body: bytes) -> dict[str, str] | None:
    """Return the fields of a form without its files, None where the body is none."""
    if request.content_type == "application/x-www-form-urlencoded":
        # Some send JSON under the type that their library gives it by itself.
        if body[:1] in (b"{", b"["):
            return None
        try:
            return _fields(QueryDict(body))
        except TooManyFieldsSent:
            raise TooLarge("The form has too many fields.") from None
    if request.content_type != "multipart/form-data":
        return None
    try:
        fields, _ = MultiPartParser(request.META, BytesIO(body), [_NoFiles()], "utf-8").parse()
    except (RequestDataTooBig, TooManyFieldsSent):
        raise TooLarge("The form's fields hold more than the limit; let the provider leave attachments out.") from None
    except MultiPartParserError:
        raise Unreadable("The form cannot be read.") from None
    return _fields(fields)


def _fields(form: QueryDict) -> dict[str, str]:
    return {name: str(value) for name, value in form.items()}


def _read_json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise Unreadable("The body is not valid JSON.") from None


def _make_view(
    view_class: View, provider: Provider, keys: Mapping[str, str], request: HttpRequest
) -> AnymailCoreWebhookView:
    # The token in our address is the shared secret. Without one the views warn; what they would ask for is Basic auth.
    arguments: dict[str, Any] = {"webhook_secret": ["the token in the address"]}
    for name, setting in keys.items():
        arguments[name] = settings.ANYMAIL.get(setting) or ""
    if provider.name == "Mandrill":
        # What it signs is the address as it was pasted, whatever a proxy made of it.
        arguments["webhook_url"] = settings.BASE_URL + request.get_full_path()
    if issubclass(view_class, resend.SvixWebhookValidationMixin) or provider.name == "Mailtrap":
        arguments = {name: value or None for name, value in arguments.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AnymailNotSupportedWarning)
        view = view_class(**arguments)
    view.basic_auth = []
    return view


def _check_signature(view: AnymailCoreWebhookView, provider: Provider, keys: Mapping[str, str], whole: _Part) -> None:
    has_key = provider.signs and bool(keys) and bool(settings.ANYMAIL.get(next(iter(keys.values()))))
    if not (provider.is_checked_always or has_key):
        return
    try:
        view.run_validators(whole)
    except AnymailWebhookValidationFailure as failure:
        raise BadSignature(str(failure)) from None
    except Exception:  # noqa: BLE001  whatever the library makes of a body that it cannot check, it is not checked
        raise BadSignature("The signature cannot be checked: the body is not as the provider documents it.") from None


def _parts(
    provider_key: str, request: HttpRequest, document: Any, form: Mapping[str, str] | None, *, inbound: bool
) -> list[_Part]:
    if form is None:
        pieces = pieces_of(provider_key, without_texts(provider_key, document) if inbound else document)
        return [_Part(request, json.dumps(piece).encode(), {}) for piece in pieces]
    if provider_key != "mandrill":
        return [_Part(request, b"", form)]
    events = _read_json(form.get("mandrill_events", "").encode())
    pieces = events if isinstance(events, list) else [events]
    return [_Part(request, b"", {"mandrill_events": json.dumps([piece])}) for piece in pieces]


def _read_part(
    provider_key: str, provider: Provider, view: AnymailCoreWebhookView, part: _Part
) -> list[EmailReport | UnreadReport]:
    if isinstance(view, mandrill.MandrillCombinedWebhookView):
        # It remembers which way the first event of a body went; ours hold one each.
        view.signal = None
    try:
        events = view.parse_events(part)
        return [report for event in events if event is not None and (report := _report(provider_key, event))]
    except TryAgain:
        raise
    except (AnymailConfigurationError, CannotFetch) as error:
        return [UnreadReport("not_set_up", str(error)[:300])]
    except Exception as error:  # noqa: BLE001  whatever a body makes the library raise, it is that body's fault
        # Not the error's own text, which may quote the body.
        return [UnreadReport("unreadable", f"This is not as {provider.name} documents it ({type(error).__name__}).")]


def _report(provider_key: str, event: AnymailTrackingEvent | AnymailInboundEvent) -> EmailReport | None:
    if isinstance(event, AnymailInboundEvent):
        return _inbound_report(provider_key, event)
    raw = event.esp_event
    metadata = event.metadata if isinstance(event.metadata, dict) else {}
    tags = event.tags if isinstance(event.tags, list) else [event.tags]
    return EmailReport(
        provider=provider_key,
        event=str(event.event_type),
        email=parseaddr(str(event.recipient or ""))[1],
        event_id=dialects.event_id_of(provider_key, raw, str(event.event_id or "")),
        at=_iso(event.timestamp),
        message_id=_bare(event.message_id),
        url=str(event.click_url or ""),
        user_agent=dialects.agent_of(provider_key, raw, str(event.user_agent or "")),
        description=str(event.description or event.mta_response or ""),
        reject_reason=dialects.reject_reason_of(provider_key, raw, str(event.reject_reason or "")),
        permanent=event.event_type == "failed" or dialects.is_permanent(provider_key, raw),
        machine=dialects.machine_of(provider_key, raw),
        list_name=dialects.list_of(provider_key, raw),
        purpose=str(metadata.get("purpose") or ""),
        campaign=str(metadata.get("campaign") or ""),
        honeypot=metadata.get("honeypot") is True,
        tags=[str(tag) for tag in tags if tag],
    )


def _inbound_report(provider_key: str, event: AnymailInboundEvent) -> EmailReport | None:
    message: AnymailInboundMessage | None = event.message
    if message is None:
        return None
    headers = {name.lower(): str(value) for name, value in reversed(message.items())}
    name, address = parseaddr(headers.get("from", ""))
    address = address or parseaddr(str(message.envelope_sender or ""))[1]
    subject = headers.get("subject", "")
    addressed = getaddresses([str(value) for part in ("To", "Cc") for value in message.get_all(part, [])])
    addressed.append(("", parseaddr(str(message.envelope_recipient or ""))[1]))
    # A delivery report comes from nobody: its envelope has no sender.
    if headers.get("return-path", "").strip() == "<>":
        headers.setdefault("auto-submitted", "auto-replied")
    return EmailReport(
        provider=provider_key,
        event="inbound",
        email=address,
        event_id=str(event.event_id or ""),
        at=_iso(event.timestamp),
        message_id=_bare(headers.get("message-id")),
        subject=subject,
        in_reply_to=_bare(headers.get("in-reply-to")),
        to=[Mailbox(address, name) for name, address in addressed if "@" in address],
        name=name,
        machine=machine_wrote(headers, email=address, subject=subject, is_spam=message.spam_detected is True),
    )


def _bare(message_id: Any) -> str:
    """Return a message id without its brackets: some providers give them, some do not."""
    return str(message_id or "").strip().removeprefix("<").removesuffix(">")


def _iso(moment: Any) -> str:
    if not isinstance(moment, datetime):
        return ""
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()
