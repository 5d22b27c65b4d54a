"""What is to be told: written in the transaction of its cause; hooks and notifications each take it from here."""

from django.db import models
from django.db.models.functions import Now

from funnel.enums import AnnouncementType
from funnel.models.handoffs import Handoff
from scoring.models import Transition


class Announcement(models.Model):
    """Something happened that machines or people want to be told. Written by funnel/services/announcing.py alone.

    ``data`` is a small JSON object of ids, codes and times; what a contact or person is called is looked up when it is
    told. ``hooked_at``: it was made messages for the endpoints that ask for its type; ``noticed_at``: people were told.
    ``contact_id`` is no foreign key: a contact that was erased since is told of no more.
    """

    type = models.CharField(max_length=32, choices=AnnouncementType)
    contact_id = models.BigIntegerField(null=True, blank=True)
    handoff = models.ForeignKey(Handoff, on_delete=models.CASCADE, null=True, blank=True, db_index=False)
    transition = models.ForeignKey(Transition, on_delete=models.CASCADE, null=True, blank=True, db_index=False)
    at = models.DateTimeField(db_default=Now())
    data = models.JSONField(default=dict)
    hooked_at = models.DateTimeField(null=True, blank=True)
    noticed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(type__in=AnnouncementType.values), name="announcement_type_known"
            ),
        ]
        indexes = [
            models.Index(fields=["id"], condition=models.Q(hooked_at=None), name="announcement_unhooked"),
            models.Index(fields=["id"], condition=models.Q(noticed_at=None), name="announcement_unnoticed"),
            models.Index(fields=["contact_id"], name="announcement_of_contact"),
        ]

    def __str__(self) -> str:
        return f"{self.type} of contact {self.contact_id}"
