"""E-mail providers as an administrator meets them: what to choose, where to paste the address, what to tell Ripen."""

from dataclasses import dataclass
from typing import Final

from django import forms
from django.utils.translation import gettext_lazy, gettext_noop


@dataclass(frozen=True, slots=True)
class HowTo:
    """How a provider is told to report.

    ``reports``: where the address is pasted for what becomes of mails, ``replies`` for mails to us (``""``: the
    provider does not pass on mails). ``keys``: the settings of ANYMAIL that signatures are checked with, or mails
    fetched.
    """

    name: str
    reports: str
    replies: str
    keys: tuple[str, ...] = ()


HOW_TO: Final = {
    "amazon_ses": HowTo(
        "Amazon SES",
        gettext_noop(
            "Configuration set, event destinations, Amazon SNS: give the topic an HTTPS subscription with this address."
            " Ripen confirms it by itself. Leave “raw message delivery” off."
        ),
        gettext_noop(
            "Receipt rule with the action SNS (encoding Base64), or S3 with an SNS topic; subscribe this address to it."
        ),
    ),
    "brevo": HowTo(
        "Brevo",
        gettext_noop("Transactional, Settings, Webhook: add this address and choose all events."),
        gettext_noop("Inbound parsing: create a webhook of the type inbound with this address through Brevo's API."),
    ),
    "mailersend": HowTo(
        "MailerSend",
        gettext_noop("Domains, Webhooks: add this address and choose all activity events."),
        gettext_noop("Inbound route, “post to URL”: this address."),
        ("MAILERSEND_SIGNING_SECRET", "MAILERSEND_INBOUND_SECRET"),
    ),
    "mailgun": HowTo(
        "Mailgun",
        gettext_noop("Sending, Webhooks: this address for each type of event."),
        gettext_noop("Receiving, Routes: the action forward() to this address (not store())."),
        ("MAILGUN_WEBHOOK_SIGNING_KEY",),
    ),
    "mailjet": HowTo(
        "Mailjet",
        gettext_noop("Account, Event notifications: this address for each event; grouping them is fine."),
        gettext_noop("Parse API: a parse route with this address."),
    ),
    "mailtrap": HowTo(
        "Mailtrap",
        gettext_noop("Sending domains, Webhooks: this address, payload format JSON, all events."),
        gettext_noop(
            "Inbound, Webhooks: this address. Mailtrap says only that a mail came, so Ripen needs a token to read it."
        ),
        ("MAILTRAP_TRACKING_SECRET", "MAILTRAP_INBOUND_SECRET", "MAILTRAP_API_TOKEN"),
    ),
    "mandrill": HowTo(
        "Mandrill (Mailchimp Transactional)",
        gettext_noop("Settings, Webhooks: this address, all message events."),
        gettext_noop("Inbound, domain, Routes: this address."),
        ("MANDRILL_WEBHOOK_KEY",),
    ),
    "postal": HowTo(
        "Postal",
        gettext_noop("Mail server, Webhooks: this address, all events."),
        gettext_noop("Routing, HTTP endpoints: this address, encoding “as a raw message”."),
        ("POSTAL_WEBHOOK_KEY",),
    ),
    "postmark": HowTo(
        "Postmark",
        gettext_noop(
            "Message stream, Webhooks: this address with delivery, bounce, spam complaint, open, link click and"
            " subscription change."
        ),
        gettext_noop("Inbound stream, Settings: this address."),
    ),
    "resend": HowTo(
        "Resend",
        gettext_noop("Webhooks: this address, all e-mail events."),
        gettext_noop(
            "Webhooks: the event email.received at this address. With a key Ripen tells automatic answers from a"
            " person's."
        ),
        ("RESEND_SIGNING_SECRET", "RESEND_INBOUND_SECRET", "RESEND_API_KEY"),
    ),
    "sendgrid": HowTo(
        "SendGrid",
        gettext_noop("Settings, Mail settings, Event webhook: this address, all events."),
        gettext_noop("Settings, Inbound parse: this address, with or without “send raw”."),
        ("SENDGRID_TRACKING_WEBHOOK_VERIFICATION_KEY",),
    ),
    "sparkpost": HowTo(
        "SparkPost",
        gettext_noop("Configuration, Webhooks: this address, all events."),
        gettext_noop("A relay webhook (SparkPost's API) with this address."),
    ),
    "unisender_go": HowTo(
        "Unisender Go",
        gettext_noop("Tools, Webhooks: this address, delivery statuses."),
        "",
        ("UNISENDER_GO_API_KEY",),
    ),
}


class HookForm(forms.Form):
    """A new address for a provider."""

    provider = forms.ChoiceField(
        label=gettext_lazy("E-mail provider"),
        choices=[("", gettext_lazy("Choose one"))] + [(key, how.name) for key, how in HOW_TO.items()],
    )
