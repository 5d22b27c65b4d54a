"""What each e-mail provider posts, written after its documentation: the same few things that happen to one mail.

`REPORTS[provider][event]` is the body of one report about the mail ``MAIL`` to ``ANNA`` at ``WHEN``; ``inbound`` gives
that of a mail that she wrote to Rita. Fields that we do not look at are there where the provider always sends them.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

ANNA = "anna@acme.test"
RITA = "rita@vendor.test"
LINK = "https://vendor.test/pricing?from=mail"
AGENT = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36"
MAIL = "mail-0001"
REPLY_ID = "reply-7@mail.acme.test"
SUBJECT = "Re: A look at our prices"
SECRET_TEXT = "The text of the mail stays with the provider."
WHEN = (datetime.now(UTC) - timedelta(days=1)).replace(microsecond=0)
EPOCH = int(WHEN.timestamp())
ISO = WHEN.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class Post:
    """A request of a provider."""

    body: bytes
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


def as_json(document: Any, **headers: str) -> Post:
    """A JSON body."""
    return Post(json.dumps(document).encode(), headers=headers)


def as_form(fields: Mapping[str, str]) -> Post:
    """A form."""
    return Post(urlencode(fields).encode(), "application/x-www-form-urlencoded")


def as_multipart(fields: Mapping[str, str], **files: bytes) -> Post:
    """A form with files."""
    head = "--edge\r\nContent-Disposition: form-data; name="
    body = "".join(f'{head}"{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()).encode()
    for name, content in files.items():
        body += f'{head}"{name}"; filename="{name}.pdf"\r\n'.encode()
        body += b"Content-Type: application/pdf\r\n\r\n" + content + b"\r\n"
    return Post(body + b"--edge--\r\n", "multipart/form-data; boundary=edge")


def mime(**headers: str) -> str:
    """Anna's mail to Rita as it travels."""
    lines = {
        "From": f"Anna Adams <{ANNA}>",
        "To": f"Rita Rep <{RITA}>, info@vendor.test",
        "Subject": SUBJECT,
        "Message-ID": f"<{REPLY_ID}>",
        "In-Reply-To": f"<{MAIL}>",
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=utf-8",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    return "".join(f"{name}: {value}\r\n" for name, value in lines.items()) + f"\r\n{SECRET_TEXT}\r\n"


def sns(message: Any, kind: str = "Notification", **more: Any) -> Post:
    """A notification of Amazon SNS."""
    document = {
        "Type": kind,
        "MessageId": "sns-message-1",
        "TopicArn": "arn:aws:sns:eu-west-1:111111111111:mail",
        "Message": json.dumps(message) if not isinstance(message, str) else message,
        "Timestamp": f"{WHEN:%Y-%m-%dT%H:%M:%S}.000Z",
        **more,
    }
    headers = {"X-Amz-Sns-Message-Type": kind, "X-Amz-Sns-Message-Id": "sns-message-1"}
    return Post(json.dumps(document).encode(), "text/plain; charset=UTF-8", headers)


def ses(event: str, **details: Any) -> Post:
    mail = {"messageId": MAIL, "destination": [ANNA], "timestamp": ISO, "headers": []}
    return sns({"eventType": event, "mail": mail, event.lower(): {"timestamp": ISO, **details}})


def brevo(event: str, **more: Any) -> Post:
    return as_json(
        {
            "event": event,
            "email": ANNA,
            "id": 12,
            "message-id": f"<{MAIL}>",
            "ts_epoch": EPOCH * 1000,
            "tag": "",
            **more,
        }
    )


def mailersend(kind: str, morph: Any = None) -> Post:
    email = {"message": {"id": MAIL}, "recipient": {"email": ANNA}, "tags": None, "status": kind}
    data = {"id": f"activity-{kind}", "type": kind, "created_at": ISO, "email": {**email, "tags": []}, "morph": morph}
    return as_json({"type": f"activity.{kind}", "created_at": ISO, "data": data})


def mailgun(event: str, **more: Any) -> Post:
    data = {
        "event": event,
        "id": f"id-{event}",
        "timestamp": EPOCH + 0.25,
        "recipient": ANNA,
        "message": {"headers": {"message-id": MAIL, "to": ANNA}},
        "tags": ["spring"],
        "user-variables": {"campaign": "spring sale"},
        **more,
    }
    return as_json({"signature": {"token": "t" * 50, "timestamp": str(EPOCH), "signature": "0"}, "event-data": data})


def mailjet(event: str, **more: Any) -> Post:
    return as_json(
        [{"event": event, "time": EPOCH, "MessageID": 19421777835146490, "email": ANNA, "Payload": "", **more}]
    )


def mailtrap(event: str, **more: Any) -> Post:
    told = {"event": event, "message_id": MAIL, "email": ANNA, "timestamp": EPOCH, "event_id": f"e-{event}"}
    return as_json({"events": [{**told, "sending_stream": "bulk", "category": "news", **more}]})


def mandrill(event: str, **more: Any) -> Post:
    msg = {"email": ANNA, "_id": MAIL, "metadata": {}, "tags": [], "ts": EPOCH, "subject": "Hello"}
    return as_form({"mandrill_events": json.dumps([{"event": event, "_id": MAIL, "ts": EPOCH, "msg": msg, **more}])})


def postal(event: str, **payload: Any) -> Post:
    message = {"id": MAIL, "token": "x", "direction": "outgoing", "to": ANNA, "from": RITA, "tag": "news"}
    told = {"event": event, "timestamp": EPOCH, "uuid": f"u-{event}-{len(payload)}"}
    return as_json({**told, "payload": {"message": message, **payload}})


def postmark(record_type: str, **more: Any) -> Post:
    told = {"RecordType": record_type, "MessageID": MAIL, "Metadata": {}, "Tag": "news", "MessageStream": "broadcast"}
    return as_json({**told, **more})


def resend(event: str, **more: Any) -> Post:
    data = {"email_id": MAIL, "to": [ANNA], "from": RITA, "created_at": ISO, "subject": "Hello", **more}
    return as_json({"type": event, "created_at": ISO, "data": data}, **{"svix-id": f"msg_{event}"})


def sendgrid(event: str, **more: Any) -> Post:
    told = {
        "email": ANNA,
        "timestamp": EPOCH,
        "event": event,
        "sg_event_id": f"{event} {more.get('type')}",
        "smtp-id": f"<{MAIL}>",
    }
    return as_json([{**told, "sg_message_id": "14c5d75ce93", **more}])


def sparkpost(event: str, group: str = "message_event", **more: Any) -> Post:
    told = {"type": event, "timestamp": str(EPOCH), "event_id": f"sp-{event}", "transmission_id": MAIL}
    return as_json([{"msys": {group: {**told, "raw_rcpt_to": ANNA, "rcpt_to": ANNA, "rcpt_meta": {}, **more}}}])


def unisender(status: str, **more: Any) -> Post:
    data = {"job_id": MAIL, "email": ANNA, "status": status, "event_time": f"{WHEN:%Y-%m-%d %H:%M:%S}", **more}
    event = {"event_name": "transactional_email_status", "event_data": data}
    return as_json({"auth": "0" * 32, "events_by_user": [{"user_id": 1, "project_id": "1", "events": [event]}]})


REPORTS: dict[str, dict[str, Post]] = {
    "amazon_ses": {
        "delivered": ses("Delivery", recipients=[ANNA], smtpResponse="250 ok"),
        "opened": ses("Open", userAgent=AGENT, ipAddress="192.0.2.7"),
        "clicked": ses("Click", link=LINK, userAgent=AGENT, ipAddress="192.0.2.7"),
        "hard": ses(
            "Bounce", bounceType="Permanent", bounceSubType="General", bouncedRecipients=[{"emailAddress": ANNA}]
        ),
        "soft": ses(
            "Bounce", bounceType="Transient", bounceSubType="MailboxFull", bouncedRecipients=[{"emailAddress": ANNA}]
        ),
        "complained": ses("Complaint", complainedRecipients=[{"emailAddress": ANNA}], complaintFeedbackType="abuse"),
        "sent": ses("Send"),
    },
    "brevo": {
        "delivered": brevo("delivered"),
        "opened": brevo("unique_opened"),
        "clicked": brevo("click", link=LINK),
        "hard": brevo("hard_bounce", reason="user unknown"),
        "soft": brevo("soft_bounce", reason="mailbox full"),
        "complained": brevo("spam"),
        "unsubscribed": brevo("unsubscribe"),
    },
    "mailersend": {
        "delivered": mailersend("delivered"),
        "opened": mailersend("opened", {"object": "open", "ip": "192.0.2.7"}),
        "clicked": mailersend("clicked", {"object": "click", "url": LINK, "ip": "192.0.2.7"}),
        "hard": mailersend("hard_bounced", {"object": "recipient_bounce", "reason": "user unknown"}),
        "soft": mailersend("soft_bounced", {"object": "recipient_bounce", "reason": "mailbox full"}),
        "complained": mailersend("spam_complaint", {"object": "spam_complaint"}),
        "unsubscribed": mailersend("unsubscribed", {"object": "recipient_unsubscribe"}),
        "sent": mailersend("sent"),
    },
    "mailgun": {
        "delivered": mailgun("delivered", **{"delivery-status": {"code": 250, "message": "OK"}}),
        "opened": mailgun("opened", ip="192.0.2.7", **{"client-info": {"user-agent": AGENT, "bot": ""}}),
        "clicked": mailgun("clicked", url=LINK, ip="192.0.2.7", **{"client-info": {"user-agent": AGENT}}),
        "hard": mailgun("failed", severity="permanent", reason="bounce", **{"delivery-status": {"code": 550}}),
        "complained": mailgun("complained"),
        "unsubscribed": mailgun("unsubscribed", **{"client-info": {"user-agent": AGENT}}),
    },
    "mailjet": {
        "delivered": mailjet("sent", smtp_reply="sent (250 ok)"),
        "opened": mailjet("open", agent=AGENT, ip="192.0.2.7"),
        "clicked": mailjet("click", url=LINK, agent=AGENT, ip="192.0.2.7"),
        "hard": mailjet("bounce", blocked=False, hard_bounce=True, error="user unknown"),
        "soft": mailjet("bounce", blocked=False, hard_bounce=False, error="quota exceeded"),
        "complained": mailjet("spam", source="JMRPP"),
        "unsubscribed": mailjet("unsub", mj_list_id=20, agent=AGENT),
    },
    "mailtrap": {
        "delivered": mailtrap("delivery"),
        "opened": mailtrap("open", user_agent=AGENT, ip="192.0.2.7"),
        "clicked": mailtrap("click", url=LINK, user_agent=AGENT, ip="192.0.2.7"),
        "hard": mailtrap("bounce", response="550 user unknown", bounce_category="badmailbox"),
        "complained": mailtrap("spam"),
        "unsubscribed": mailtrap("unsubscribe", user_agent=AGENT),
    },
    "mandrill": {
        "sent": mandrill("send"),
        "opened": mandrill("open", user_agent=AGENT, ip="192.0.2.7"),
        "clicked": mandrill("click", url=LINK, user_agent=AGENT, ip="192.0.2.7"),
        "hard": mandrill("hard_bounce"),
        "soft": mandrill("soft_bounce"),
        "complained": mandrill("spam"),
        "unsubscribed": mandrill("unsub"),
    },
    "postal": {
        "delivered": postal("MessageSent", status="Sent", details="Message accepted", output="250 OK"),
        "clicked": postal("MessageLinkClicked", url=LINK, token="t", ip_address="192.0.2.7", user_agent=AGENT),
        "hard": postal("MessageDeliveryFailed", status="HardFail", details="user unknown", output="550"),
        "bounce": postal("MessageBounced", bounce={"id": 5}, original_message={"id": MAIL, "to": ANNA}, message=None),
    },
    "postmark": {
        "delivered": postmark("Delivery", Recipient=ANNA, DeliveredAt=ISO, Details="250"),
        "opened": postmark("Open", Recipient=ANNA, ReceivedAt=ISO, UserAgent=AGENT, FirstOpen=True),
        "clicked": postmark("Click", Recipient=ANNA, ReceivedAt=ISO, UserAgent=AGENT, OriginalLink=LINK),
        "hard": postmark("Bounce", ID=42, Type="HardBounce", Email=ANNA, BouncedAt=ISO, Inactive=True),
        "soft": postmark("Bounce", ID=43, Type="SoftBounce", Email=ANNA, BouncedAt=ISO, Inactive=False),
        "complained": postmark("SpamComplaint", ID=44, Type="SpamComplaint", Email=ANNA, BouncedAt=ISO),
        "unsubscribed": postmark(
            "SubscriptionChange",
            Recipient=ANNA,
            ChangedAt=ISO,
            SuppressSending=True,
            SuppressionReason="ManualSuppression",
        ),
        "automatic": postmark("Bounce", ID=45, Type="AutoResponder", Email=ANNA, BouncedAt=ISO),
    },
    "resend": {
        "sent": resend("email.sent"),
        "delivered": resend("email.delivered"),
        "opened": resend("email.opened", open={"userAgent": AGENT, "ipAddress": "192.0.2.7"}),
        "clicked": resend("email.clicked", click={"link": LINK, "userAgent": AGENT, "ipAddress": "192.0.2.7"}),
        "hard": resend("email.bounced", bounce={"type": "Permanent", "subType": "General", "message": "unknown user"}),
        "soft": resend("email.bounced", bounce={"type": "Transient", "subType": "MailboxFull", "message": "full"}),
        "complained": resend("email.complained"),
    },
    "sendgrid": {
        "delivered": sendgrid("delivered", response="250 OK"),
        "opened": sendgrid("open", useragent=AGENT, ip="192.0.2.7", sg_machine_open=False),
        "clicked": sendgrid("click", url=LINK, useragent=AGENT, ip="192.0.2.7"),
        "hard": sendgrid("bounce", type="bounce", reason="550 unknown", status="5.1.1"),
        "soft": sendgrid("bounce", type="blocked", reason="421 too many", status="4.0.0"),
        "complained": sendgrid("spamreport"),
        "unsubscribed": sendgrid("group_unsubscribe", asm_group_id=17),
    },
    "sparkpost": {
        "delivered": sparkpost("delivery"),
        "opened": sparkpost("open", "track_event", user_agent=AGENT, ip_address="192.0.2.7"),
        "clicked": sparkpost("click", "track_event", target_link_url=LINK, user_agent=AGENT, ip_address="192.0.2.7"),
        "hard": sparkpost("bounce", bounce_class="10", raw_reason="550 unknown"),
        "soft": sparkpost("bounce", bounce_class="22", raw_reason="452 full"),
        "complained": sparkpost("spam_complaint"),
        "unsubscribed": sparkpost("list_unsubscribe", "unsubscribe_event"),
        "automatic": sparkpost("bounce", bounce_class="60"),
    },
    "unisender_go": {
        "sent": unisender("sent"),
        "delivered": unisender("delivered"),
        "opened": unisender("opened", delivery_info={"user_agent": AGENT, "ip": "192.0.2.7"}),
        "clicked": unisender("clicked", url=LINK, delivery_info={"user_agent": AGENT, "ip": "192.0.2.7"}),
        "hard": unisender("hard_bounced", delivery_info={"delivery_status": "err_user_unknown"}),
        "soft": unisender("hard_bounced", delivery_info={"delivery_status": "err_mailbox_full"}),
        "complained": unisender("spam"),
        "unsubscribed": unisender("unsubscribed"),
    },
}

_HEADERS = [("Message-ID", f"<{REPLY_ID}>"), ("In-Reply-To", f"<{MAIL}>")]
_ADDRESSED = [("From", f"Anna Adams <{ANNA}>"), ("To", f"Rita Rep <{RITA}>"), ("Subject", SUBJECT)]


def inbound(provider: str, **headers: str) -> Post:  # noqa: PLR0911  one for each provider
    """Anna's mail to Rita as the provider reports it, with further headers (``Auto_Submitted="auto-replied"``)."""
    raw = mime(**headers)
    document: dict[str, Any]
    content: Any
    more = [(name.replace("_", "-"), value) for name, value in headers.items()]
    everything = [*_ADDRESSED, *_HEADERS, *more]
    match provider:
        case "amazon_ses":
            mail = {"messageId": "ses-in-1", "source": ANNA, "timestamp": ISO, "destination": [RITA]}
            receipt = {
                "recipients": [RITA],
                "action": {"type": "SNS", "encoding": "BASE64"},
                "spamVerdict": {"status": "PASS"},
            }
            content = base64.b64encode(raw.encode()).decode()
            return sns({"notificationType": "Received", "mail": mail, "receipt": receipt, "content": content})
        case "brevo":
            attachment = {"Name": "a.pdf", "ContentType": "application/pdf", "DownloadToken": "t", "ContentID": None}
            item = {
                "Uuid": ["u-1"],
                "Headers": dict(everything),
                "RawTextBody": SECRET_TEXT,
                "RawHtmlBody": f"<p>{SECRET_TEXT}</p>",
                "ExtractedMarkdownMessage": SECRET_TEXT,
                "Attachments": [attachment],
            }
            return as_json({"items": [item]})
        case "mailersend":
            recipients = {"rcptTo": [{"email": RITA}], "to": {"raw": RITA}}
            data = {"id": "ms-in", "created_at": ISO, "raw": raw, "sender": {"email": ANNA}, "recipients": recipients}
            return as_json({"type": "inbound.message", "data": {**data, "text": SECRET_TEXT, "attachments": []}})
        case "mailgun":
            fields = {"recipient": RITA, "sender": ANNA, "timestamp": str(EPOCH), "token": "t", "signature": "0"}
            fields |= {"message-headers": json.dumps(everything), "body-plain": SECRET_TEXT, "attachment-count": "1"}
            return as_multipart({**fields, "stripped-text": SECRET_TEXT}, **{"attachment-1": SECRET_TEXT.encode()})
        case "mailjet":
            document = {"Sender": ANNA, "Recipient": RITA, "Headers": dict(everything), "Text-part": SECRET_TEXT}
            part = {"Headers": {"Content-Type": "application/pdf"}, "ContentRef": "Attachment1"}
            return as_json({**document, "Parts": [part], "Attachment1": "AAAA", "SpamAssassinScore": "0.1"})
        case "mandrill":
            msg = {"raw_msg": raw, "email": RITA, "from_email": ANNA, "spam_report": {"score": 0.1}}
            return as_form({"mandrill_events": json.dumps([{"event": "inbound", "ts": EPOCH, "msg": msg}])})
        case "postal":
            content = base64.b64encode(raw.encode()).decode()
            return as_json({"id": 7, "rcpt_to": RITA, "mail_from": ANNA, "message": content, "base64": True, "size": 9})
        case "postmark":
            document = {
                "FromFull": {"Email": ANNA, "Name": "Anna Adams"},
                "ToFull": [{"Email": RITA, "Name": "Rita Rep"}],
                "Subject": SUBJECT,
                "MessageID": "pm-in-1",
                "OriginalRecipient": RITA,
                "TextBody": SECRET_TEXT,
                "HtmlBody": "",
                "Headers": [{"Name": name, "Value": value} for name, value in [*_HEADERS, *more]],
                "Attachments": [{"Name": "a.pdf", "Content": "AAAA", "ContentType": "application/pdf"}],
            }
            return as_json(document)
        case "resend":
            data = {
                "email_id": "re-in-1",
                "created_at": ISO,
                "from": f"Anna Adams <{ANNA}>",
                "to": [f"Rita Rep <{RITA}>"],
            }
            data |= {"cc": [], "bcc": [], "message_id": f"<{REPLY_ID}>", "subject": SUBJECT, "attachments": []}
            return as_json({"type": "email.received", "created_at": ISO, "data": data}, **{"svix-id": "msg_in"})
        case "sendgrid":
            head = "".join(f"{name}: {value}\n" for name, value in everything)
            envelope = json.dumps({"to": [RITA], "from": ANNA})
            fields = {"headers": head, "envelope": envelope, "text": SECRET_TEXT, "html": "", "attachments": "1"}
            fields |= {
                "charsets": json.dumps({"text": "iso-8859-1"}),
                "attachment-info": json.dumps({"attachment1": {}}),
            }
            return as_multipart(fields, attachment1=SECRET_TEXT.encode())
        case "sparkpost":
            content = {"email_rfc822": raw, "email_rfc822_is_base64": False}
            told = {"protocol": "smtp", "msg_from": ANNA, "rcpt_to": RITA, "content": content}
            return as_json([{"msys": {"relay_message": told}}])
        case _:
            raise KeyError(provider)


# Mailtrap reports only that there is a mail; Unisender Go receives none.
INBOUND = tuple(sorted(REPORTS.keys() - {"mailtrap", "unisender_go"}))
