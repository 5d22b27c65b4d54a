"""Who took which event back, when and why."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from contacts.enums import CorrectionAction
from contacts.models.access import Source
from contacts.models.event import Event


class EventCorrection(models.Model):
    """A mark on an event was set or taken away. Append-only: a further correction is a further row.

    ``reason`` is why a retraction or restoration was made, and the suspicion that a reclassification set (``""``: it
    cleared it). ``corrected_by`` is the person, ``source`` the integration where it was one. ``beginning`` keeps the
    original source that the contact had from this event and lost with it, for it cannot all be read from the event.
    """

    event = models.ForeignKey(Event, on_delete=models.PROTECT, related_name="corrections")
    action = models.CharField(max_length=12, choices=CorrectionAction)
    reason = models.CharField(max_length=300, blank=True)
    corrected_at = models.DateTimeField(db_default=Now())
    corrected_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, db_index=False
    )
    source = models.ForeignKey(Source, on_delete=models.PROTECT, null=True, blank=True, db_index=False)
    beginning = models.JSONField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(action__in=CorrectionAction.values), name="correction_known"),
        ]

    def __str__(self) -> str:
        return f"event {self.event_id} {self.action}"
