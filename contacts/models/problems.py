"""What sources sent that could not be taken, or was odd: kept so that somebody can see, mend and replay it."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from contacts.enums import WireFormat
from contacts.models.access import Source


class RejectedMessage(models.Model):
    """One message that was refused, as it came. Replaying reads it again; kept for 30 days, the latest 10,000 a source.

    ``payload`` is the message as JSON text (text, for it may hold what jsonb cannot), cut at 32 KB (``is_cut``);
    blank where the person it names was erased. ``call`` is the address's type for the Segment formats.
    """

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="rejected_messages", db_index=False)
    wire_format = models.CharField(max_length=8, choices=WireFormat)
    call = models.CharField(max_length=16, blank=True)
    received_at = models.DateTimeField(db_default=Now())
    message_id = models.CharField(max_length=255, blank=True)
    code = models.CharField(max_length=40)
    field = models.CharField(max_length=300, blank=True)
    message = models.CharField(max_length=500)
    payload = models.TextField(blank=True)
    is_cut = models.BooleanField(default=False)
    replayed_at = models.DateTimeField(null=True, blank=True)
    replayed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(wire_format__in=WireFormat.values), name="rejected_format_known"),
        ]
        indexes = [models.Index(fields=["source", "-id"], name="rejected_of_source")]

    def __str__(self) -> str:
        return f"{self.code} at {self.field}"


class SourceWarning(models.Model):
    """Something odd about what a source sends: how often, since when, and the latest example."""

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="warnings", db_index=False)
    code = models.CharField(max_length=40)
    field = models.CharField(max_length=300, blank=True)
    message = models.CharField(max_length=500)
    message_id = models.CharField(max_length=255, blank=True)
    count = models.PositiveBigIntegerField(default=0)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "code", "field"], name="sourcewarning_once")]

    def __str__(self) -> str:
        return f"{self.code}: {self.count}"
