"""The bodies that e-mail providers post: whose mail they speak of, how many events they hold, what is left aside. Pure.

``document`` is the JSON value of a body, ``form`` its fields where it is a form. Shapes that a provider does not
document pass through as they are: the view that reads them says what is wrong.
"""

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

Document = Any


def is_inbound(provider: str, document: Document, form: Mapping[str, Any] | None) -> bool:
    """Tell whether a body reports a mail that somebody wrote to us, and not what became of one of ours."""
    if form is not None:
        # Forms are Mailgun's (which names an event only of its own mails), SendGrid's and Mandrill's inbound mails.
        return provider == "sendgrid" or (provider == "mailgun" and form.get("event", "inbound") == "inbound")
    ask = _IS_INBOUND.get(provider)
    return ask is not None and ask(document)


def pieces_of(provider: str, document: Document) -> list[Document]:
    """Part a document into documents of one event each, in their order."""
    part = _PIECES.get(provider)
    return [document] if part is None else part(document)


def without_texts(provider: str, document: Document) -> Document:
    """Return an inbound document without the text of the mail and its attachments, where it is known where they are.

    A mail that is given whole (MIME, RFC 5322) keeps its header.
    """
    if not isinstance(document, dict):
        return document
    shorten = _SHORTEN.get(provider)
    return document if shorten is None else shorten(document)


def form_without_texts(form: Mapping[str, str]) -> dict[str, str]:
    """Return the fields of an inbound mail without its text, attachments aside already."""
    kept = {name: value for name, value in form.items() if name not in _TEXT_FIELDS}
    for name in ("body-mime", "email"):
        if name in kept:
            kept[name] = header_of(kept[name])
    return kept


def header_of(mime: str) -> str:
    """Return the header of a mail and the empty line that ends it."""
    text = mime.replace("\r\n", "\n")
    return text.partition("\n\n")[0] + "\n\n"


_TEXT_FIELDS: Final = frozenset(
    {
        "attachment-count", "attachment-info", "body-html", "body-plain", "charsets", "content-id-map", "content-ids",
        "html", "stripped-html", "stripped-signature", "stripped-text", "text",
    }
)  # fmt: skip


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _first_event(document: Document) -> dict[str, Any]:
    events = _object(document).get("events")
    return _object(events[0]) if isinstance(events, list) and events else {}


def _is_inbound_at_amazon(document: Document) -> bool:
    try:
        message = json.loads(_object(document).get("Message", ""))
    except (TypeError, ValueError, RecursionError):
        return False
    return _object(message).get("notificationType") == "Received"


def _is_inbound_at_sparkpost(document: Document) -> bool:
    first = document[0] if isinstance(document, list) and document else document
    return "relay_message" in _object(_object(first).get("msys"))


_IS_INBOUND: Final[Mapping[str, Callable[[Document], bool]]] = {
    "amazon_ses": _is_inbound_at_amazon,
    "brevo": lambda document: "items" in _object(document),
    "mailersend": lambda document: _object(document).get("type") == "inbound.message",
    "mailjet": lambda document: "event" not in _object(document) and "Recipient" in _object(document),
    "mailtrap": lambda document: str(_first_event(document).get("event", "")).startswith("inbound"),
    "postal": lambda document: "rcpt_to" in _object(document),
    "postmark": lambda document: (
        _object(document).get("RecordType", "Inbound") == "Inbound" and "FromFull" in _object(document)
    ),
    "resend": lambda document: _object(document).get("type") == "email.received",
    "sparkpost": _is_inbound_at_sparkpost,
}


def _each(document: Document) -> list[Document]:
    return [[item] for item in document] if isinstance(document, list) else [document]


def _each_under(key: str) -> Callable[[Document], list[Document]]:
    def part(document: Document) -> list[Document]:
        items = _object(document).get(key)
        return [{key: [item]} for item in items] if isinstance(items, list) else [document]

    return part


def _each_of_each_user(document: Document) -> list[Document]:
    users = _object(document).get("events_by_user")
    if not isinstance(users, list):
        return [document]
    events: list[Any] = []
    for user in users:
        of_user = _object(user).get("events")
        events += of_user if isinstance(of_user, list) else [user]
    return [{"events_by_user": [{"events": [event]}]} for event in events]


_PIECES: Final[Mapping[str, Callable[[Document], list[Document]]]] = {
    "brevo": _each_under("items"),
    "mailjet": _each,
    "mailtrap": _each_under("events"),
    "sendgrid": _each,
    "sparkpost": _each,
    "unisender_go": _each_of_each_user,
}


def _without(*names: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda document: {key: value for key, value in document.items() if key not in names}


def _headers_in_base64(text: str) -> str:
    """Return the header of a mail in base64 as such, in UTF-8; what cannot be read stays as it is."""
    try:
        mime = base64.b64decode(text).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return text
    return base64.b64encode(header_of(mime).encode()).decode()


def _shorten_brevo(document: dict[str, Any]) -> dict[str, Any]:
    drop = _without(
        "RawTextBody", "RawHtmlBody", "ExtractedMarkdownMessage", "ExtractedMarkdownSignature", "Attachments"
    )
    items = document.get("items")
    return {"items": [drop(_object(item)) for item in items]} if isinstance(items, list) else document


def _shorten_postmark(document: dict[str, Any]) -> dict[str, Any]:
    kept = _without("TextBody", "HtmlBody", "StrippedTextReply", "Attachments")(document)
    if isinstance(kept.get("RawEmail"), str):
        kept["RawEmail"] = header_of(kept["RawEmail"])
    return kept


def _shorten_mailersend(document: dict[str, Any]) -> dict[str, Any]:
    data = _without("text", "html", "attachments")(_object(document.get("data")))
    if isinstance(data.get("raw"), str):
        data["raw"] = header_of(data["raw"])
    return {**document, "data": data}


def _shorten_postal(document: dict[str, Any]) -> dict[str, Any]:
    message = document.get("message")
    if not isinstance(message, str):
        return document
    return {**document, "message": (_headers_in_base64 if document.get("base64") is True else header_of)(message)}


def _shorten_amazon(document: dict[str, Any]) -> dict[str, Any]:
    try:
        message = json.loads(document.get("Message", ""))
    except (TypeError, ValueError, RecursionError):
        return document
    content = _object(message).get("content")
    if not isinstance(content, str):
        return document
    action = _object(_object(message.get("receipt")).get("action"))
    message["content"] = (_headers_in_base64 if action.get("encoding") == "BASE64" else header_of)(content)
    return {**document, "Message": json.dumps(message)}


_SHORTEN: Final[Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]]] = {
    "amazon_ses": _shorten_amazon,
    "brevo": _shorten_brevo,
    "mailersend": _shorten_mailersend,
    "mailjet": lambda document: {
        key: value
        for key, value in document.items()
        if key not in {"Text-part", "Html-part", "Parts"} and "Attachment" not in key
    },
    "postal": _shorten_postal,
    "postmark": _shorten_postmark,
}
