"""Forms that people fill in, what they sent and confirmed, and the mail that Ripen itself sends."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from contacts.enums import MailState
from contacts.models.access import Source
from contacts.models.consent import Purpose
from contacts.models.contact import Contact


class Form(models.Model):
    """A lead-capture form of a source: a hosted page at /f/<token>/, or plain HTML on the owner's site.

    ``fields`` is a list of ``{"name": trait, "label", "type": text | email | tel | select | textarea | checkbox,
    "required": bool, "options": [...]}``; the e-mail field is always there. A change of the consent's text is a new
    ``consent_version``: what each person agreed to is kept with their consent.
    """

    source = models.ForeignKey(Source, on_delete=models.PROTECT, related_name="forms")
    token = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=100)
    title = models.CharField(max_length=200)
    introduction = models.TextField(blank=True)
    kind = models.CharField(max_length=64, default="form_submitted")
    fields = models.JSONField(default=list)
    button = models.CharField(max_length=60, default="Send")
    thanks = models.TextField(default="Thank you.")
    redirect_url = models.URLField(blank=True)
    allowed_origins = ArrayField(models.CharField(max_length=255), default=list, blank=True)
    purpose = models.ForeignKey(Purpose, on_delete=models.PROTECT, null=True, blank=True)
    consent_text = models.TextField(blank=True)
    consent_version = models.PositiveIntegerField(default=1)
    consent_required = models.BooleanField(default=False)
    double_opt_in = models.BooleanField(default=True)
    is_open = models.BooleanField(default=True)
    # Of what machines sent nothing is kept but how often it was.
    bots = models.PositiveBigIntegerField(default=0, db_default=0)
    created_at = models.DateTimeField(db_default=Now())
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "name"], name="form_name_once_a_source")]

    def __str__(self) -> str:
        return self.name


class FormSubmission(models.Model):
    """Somebody sent a form. ``confirmed_at`` is when the link in the mail was followed (double opt-in).

    ``consent_text`` are the words they agreed to; blank where they agreed to nothing.
    """

    form = models.ForeignKey(Form, on_delete=models.CASCADE, related_name="submissions")
    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="form_submissions")
    origin_contact_id = models.BigIntegerField(null=True, blank=True)
    message = models.UUIDField(unique=True)
    received_at = models.DateTimeField(db_default=Now())
    # What they agreed to, as the form was then.
    purpose = models.ForeignKey(Purpose, on_delete=models.PROTECT, null=True, blank=True)
    consent_version = models.PositiveIntegerField(null=True, blank=True)
    consent_text = models.TextField(blank=True)
    token_hash = models.CharField(max_length=64, blank=True, db_index=True)
    confirmed_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.form_id} by contact {self.contact_id}"


class Mail(models.Model):
    """A mail that Ripen itself sends to a contact: due rows are sent by the worker, with retries; kept 30 days.

    ``address`` is kept only until it is sent.
    """

    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="mails")
    origin_contact_id = models.BigIntegerField(null=True, blank=True)
    state = models.CharField(max_length=7, choices=MailState, default=MailState.WAITING)
    address = models.CharField(max_length=254, blank=True)
    subject = models.CharField(max_length=255)
    body = models.TextField()
    headers = models.JSONField(default=dict)
    purpose = models.ForeignKey(Purpose, on_delete=models.PROTECT, null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    due_at = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(default=0)
    error = models.CharField(max_length=300, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(state__in=MailState.values), name="mail_state_known"),
        ]
        indexes = [models.Index(fields=["due_at"], condition=models.Q(state="waiting"), name="mail_due")]

    def __str__(self) -> str:
        return f"mail {self.pk}: {self.state}"


class EmailHook(models.Model):
    """An address at which an e-mail provider reports: /hooks/email/<provider>/<token>; only its hash is kept."""

    source = models.ForeignKey(Source, on_delete=models.PROTECT, related_name="email_hooks")
    provider = models.SlugField(max_length=32)
    token_hash = models.CharField(max_length=64, unique=True)
    token_prefix = models.CharField(max_length=16)
    created_at = models.DateTimeField(db_default=Now())
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.provider} ({self.token_prefix}…)"
