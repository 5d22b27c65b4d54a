"""Outbound webhooks: who is told, what is told, and how telling went."""

import uuid

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models.functions import Now

from funnel.enums import AnnouncementType, DeliveryState, DisableReason, HookFault
from funnel.models.announcements import Announcement


class HookEndpoint(models.Model):
    """An address that is told what happens, by Standard Webhooks.

    ``types``: what it asks for; an empty list is everything. Its secret is derived from ``uid`` and ``generation`` and
    stored nowhere (funnel/hooks/signing.py); ``rotated_at``: since when the present one is in force.

    ``failing_since``: the first failed attempt after the last success; ``failed`` counts the attempts since,
    ``ran_out`` the messages whose whole schedule ran out since, ``flagged_at`` says that people were told.
    ``paused_until``: a receiver that is too busy asked for so much patience.
    """

    uid = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    url = models.CharField(max_length=2000)
    description = models.CharField(max_length=200, blank=True)
    types = ArrayField(models.CharField(max_length=32), default=list, blank=True)
    generation = models.PositiveIntegerField(default=1)
    rotated_at = models.DateTimeField(null=True, blank=True)
    disabled_at = models.DateTimeField(null=True, blank=True)
    disabled_for = models.CharField(max_length=8, choices=DisableReason, blank=True)
    failing_since = models.DateTimeField(null=True, blank=True)
    failed = models.PositiveIntegerField(default=0)
    ran_out = models.PositiveIntegerField(default=0)
    flagged_at = models.DateTimeField(null=True, blank=True)
    paused_until = models.DateTimeField(null=True, blank=True)
    last_success_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(disabled_at=None, disabled_for="")
                | models.Q(disabled_at__isnull=False, disabled_for__in=DisableReason.values),
                name="hookendpoint_disabled_paired",
            ),
        ]

    def __str__(self) -> str:
        return f"webhook {self.pk}"

    @property
    def wants_everything(self) -> bool:
        """Whether it is told whatever happens."""
        return not self.types


class HookMessage(models.Model):
    """One thing to be told, the same for everybody and for ever.

    ``uid`` is the ``webhook-id``, ``body`` what is signed.

    ``announcement`` None: a test, or a thing whose announcement was forgotten since. ``contact_ids``: of whom it
    speaks; when one of them is erased the message goes with all its deliveries.
    """

    uid = models.CharField(max_length=40, unique=True)
    type = models.CharField(max_length=32)
    announcement = models.OneToOneField(
        Announcement, on_delete=models.SET_NULL, null=True, blank=True, related_name="hook_message"
    )
    contact_ids = ArrayField(models.BigIntegerField(), default=list, blank=True)
    body = models.TextField()
    at = models.DateTimeField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [
            GinIndex(fields=["contact_ids"], name="hookmessage_of_contact"),
            models.Index(fields=["created_at"], name="hookmessage_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.uid}: {self.type}"


class HookDelivery(models.Model):
    """A message on its way to one endpoint.

    ``due_at``: when it is tried next, NULL once it is delivered or a dead letter. While it is being sent
    ``leased_until`` keeps others away; a sender that dies leaves it, and after that moment it is sent again under the
    same id. ``takes`` counts how often it was taken since the last outcome. ``attempts`` counts all outcomes,
    ``failed`` those in the present round of the schedule, which a replay begins anew.
    """

    message = models.ForeignKey(HookMessage, on_delete=models.CASCADE, related_name="deliveries", db_index=False)
    endpoint = models.ForeignKey(HookEndpoint, on_delete=models.CASCADE, related_name="deliveries", db_index=False)
    state = models.CharField(max_length=9, choices=DeliveryState, default=DeliveryState.WAITING)
    due_at = models.DateTimeField(null=True, blank=True)
    leased_until = models.DateTimeField(null=True, blank=True)
    takes = models.PositiveSmallIntegerField(default=0)
    attempts = models.PositiveIntegerField(default=0)
    failed = models.PositiveSmallIntegerField(default=0)
    last_fault = models.CharField(max_length=20, choices=HookFault, blank=True)
    last_status = models.PositiveSmallIntegerField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["message", "endpoint"], name="hookdelivery_once"),
            models.CheckConstraint(
                condition=models.Q(state=DeliveryState.WAITING, due_at__isnull=False, closed_at=None)
                | models.Q(
                    state__in=[DeliveryState.DELIVERED, DeliveryState.DEAD],
                    due_at=None,
                    leased_until=None,
                    closed_at__isnull=False,
                ),
                name="hookdelivery_state_paired",
            ),
        ]
        indexes = [
            models.Index(
                fields=["endpoint", "due_at", "id"],
                condition=models.Q(state=DeliveryState.WAITING),
                name="hookdelivery_waiting",
            ),
            models.Index(fields=["endpoint", "-id"], name="hookdelivery_of_endpoint"),
            models.Index(
                fields=["endpoint", "-id"], condition=models.Q(state=DeliveryState.DEAD), name="hookdelivery_dead"
            ),
        ]

    def __str__(self) -> str:
        return f"delivery {self.pk}: {self.state}"


class HookAttempt(models.Model):
    """One attempt at a delivery and what came of it. ``answer``: how the receiver's answer begins, as text."""

    delivery = models.ForeignKey(HookDelivery, on_delete=models.CASCADE, related_name="tries", db_index=False)
    number = models.PositiveIntegerField()
    at = models.DateTimeField()
    took_ms = models.PositiveIntegerField(default=0)
    fault = models.CharField(max_length=20, choices=HookFault, blank=True)
    status = models.PositiveSmallIntegerField(null=True, blank=True)
    answer = models.TextField(blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["delivery", "number"], name="hookattempt_number_once")]

    def __str__(self) -> str:
        return f"attempt {self.number} of delivery {self.delivery_id}"


# What an endpoint may ask for: all but what is told of endpoints themselves.
HOOKABLE = tuple(kind for kind in AnnouncementType if not kind.value.startswith("hook."))
