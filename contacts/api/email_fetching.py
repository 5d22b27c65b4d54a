"""Views of django-anymail that ask the provider for something, asking for no more than we need and never for long."""

import logging
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final
from urllib.parse import quote, urljoin

import requests
from anymail.inbound import AnymailInboundMessage
from anymail.signals import AnymailInboundEvent
from anymail.webhooks.amazon_ses import AmazonSESInboundWebhookView, AmazonSESTrackingWebhookView
from anymail.webhooks.mailtrap import MailtrapInboundWebhookView
from anymail.webhooks.resend import ResendInboundWebhookView
from botocore.exceptions import ConnectionError as BotoConnectionError
from botocore.exceptions import HTTPClientError

logger = logging.getLogger(__name__)

# Connecting and each read, in seconds: the provider waits for our answer, and so does a thread of ours.
_PATIENCE: Final = (3.05, 8)
# The header of a mail is all that is looked at.
_ENOUGH_BYTES: Final = 256 * 1024
_SNS_ADDRESS: Final = re.compile(r"https://sns\.[a-z0-9-]{1,40}\.amazonaws\.com(?:\.cn)?/\?[!-~]{1,2000}")
_WANTED_HEADERS: Final = frozenset(
    {
        "auto-submitted", "in-reply-to", "list-id", "list-unsubscribe", "message-id", "precedence", "references",
        "return-path", "x-autoreply", "x-autorespond", "x-autoresponder",
    }
)  # fmt: skip


class TryAgain(Exception):
    """The provider does not answer now; when it reports again, it may."""


class CannotFetch(Exception):
    """What the report speaks of cannot be fetched; the text says why, for the administrator."""


def get(url: str, *, bearer: str = "", stream: bool = False) -> requests.Response:
    """Fetch an address of a provider.

    Raises:
        TryAgain: it does not answer, or has a fault.
        CannotFetch: it refuses.
    """
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    try:
        response = requests.get(url, headers=headers, timeout=_PATIENCE, allow_redirects=False, stream=stream)
    except requests.RequestException as error:
        raise TryAgain(type(error).__name__) from None
    if response.status_code >= 500:
        raise TryAgain(str(response.status_code))
    if response.status_code >= 300:
        raise CannotFetch(f"The provider answered {response.status_code} when asked for the mail; look at its key.")
    return response


def enough(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield chunks until there is enough of a mail to hold its header."""
    size = 0
    for chunk in chunks:
        yield chunk
        size += len(chunk)
        if size >= _ENOUGH_BYTES:
            return


class _Subscriptions:
    """Confirms a subscription at Amazon SNS by following its link: that needs no key of ours.

    The token in our own address shows that the administrator gave it to SNS.
    """

    def auto_confirm_sns_subscription(self, sns_message: dict[str, Any]) -> None:
        """Follow ``SubscribeURL`` where it is one of Amazon's.

        Raises:
            CannotFetch: it is not, or Amazon refuses.
            TryAgain: Amazon does not answer.
        """
        url = sns_message.get("SubscribeURL")
        if not isinstance(url, str) or not _SNS_ADDRESS.fullmatch(url):
            raise CannotFetch("This is no address at which Amazon SNS confirms subscriptions.")
        get(url)


class AmazonTracking(_Subscriptions, AmazonSESTrackingWebhookView):  # type: ignore[misc]  # untyped library
    """What became of mails sent by Amazon SES."""


class AmazonInbound(_Subscriptions, AmazonSESInboundWebhookView):  # type: ignore[misc]  # untyped library
    """Mails that Amazon SES received, in the notification itself or in S3."""

    def fetch_s3_chunks(self, bucket_name: str, object_key: str) -> Iterator[bytes]:
        """Yield the beginning of a mail in S3."""
        try:
            yield from enough(super().fetch_s3_chunks(bucket_name, object_key))
        except (BotoConnectionError, HTTPClientError) as error:
            raise TryAgain(type(error).__name__) from None


class MailtrapInbound(MailtrapInboundWebhookView):  # type: ignore[misc]  # untyped library
    """Mails that Mailtrap received: it reports only that there is one."""

    def fetch_inbound_message(self, inbox_id: int, message_id: str) -> Any:
        """Return what Mailtrap knows of the mail."""
        if not self.api_token:
            raise CannotFetch("Mailtrap reports only that a mail came; set MAILTRAP_API_TOKEN in ANYMAIL to read it.")
        path = f"inbound/inboxes/{quote(str(inbox_id), safe='')}/messages/{quote(str(message_id), safe='')}"
        return get(urljoin(self.api_url, path), bearer=self.api_token).json()

    def fetch_raw_message_chunks(self, raw_message_url: str) -> Iterator[bytes]:
        """Yield the beginning of the mail."""
        try:
            with get(raw_message_url, stream=True) as response:
                yield from enough(response.iter_content(chunk_size=self.chunk_size))
        except requests.RequestException as error:
            raise TryAgain(type(error).__name__) from None


class ResendInbound(ResendInboundWebhookView):  # type: ignore[misc]  # untyped library
    """Mails that Resend received. Its report names writer, addressees and subject; the header is fetched with a key."""

    _told: dict[str, Any]

    def esp_to_anymail_event(self, esp_event: dict[str, Any], request: Any) -> AnymailInboundEvent:
        """Remember what the report itself tells."""
        self._told = esp_event["data"]
        return super().esp_to_anymail_event(esp_event, request)

    def _fetch_inbound_email(self, email_id: str) -> AnymailInboundMessage:
        data = self._told
        headers: Any = {}
        if self.api_key:
            address = urljoin(self.api_url, f"emails/receiving/{quote(str(email_id), safe='')}")
            headers = get(address, bearer=self.api_key).json().get("headers") or {}
        if isinstance(headers, list):
            headers = {header["name"]: header["value"] for header in headers}
        known = {name.lower(): str(value) for name, value in headers.items() if name.lower() in _WANTED_HEADERS}
        if data.get("message_id"):
            known.setdefault("message-id", str(data["message_id"]))
        return AnymailInboundMessage.construct(
            from_email=data.get("from"),
            to=", ".join(data.get("to") or []) or None,
            cc=", ".join(data.get("cc") or []) or None,
            subject=data.get("subject"),
            headers=known,
        )
