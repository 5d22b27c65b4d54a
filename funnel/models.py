"""The handoff of a ready contact to Sales: its own axis, beside the stage."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from contacts.models import Contact, Merge
from funnel.enums import OPEN_STATES, HandoffState, ReturnReason
from scoring.models import Transition


class Handoff(models.Model):
    """One offer of a contact to Sales and what became of it. At most one is open for a contact.

    ``evidence`` is frozen when the offer opens: ``{"sentence", "stage", "engagement", "fit", "lines": [ledger lines],
    "questions": [gate keys whose answer is unknown], "definition": "key@version"}``.

    ``origin_contact_id``: whose handoff it was before a merge, where that is another contact; what is done with it is a
    fact of that one. Of two open ones a merge (``suspended_by``) suspends one, which was ``suspended_from`` until then.
    """

    contact = models.ForeignKey(Contact, on_delete=models.PROTECT, related_name="handoffs")
    origin_contact_id = models.BigIntegerField(null=True, blank=True)
    state = models.CharField(max_length=9, choices=HandoffState, default=HandoffState.OFFERED)
    stage = models.CharField(max_length=32)
    transition = models.ForeignKey(Transition, on_delete=models.PROTECT, null=True, blank=True)
    evidence = models.JSONField(default=dict)
    offered_at = models.DateTimeField(db_default=Now())
    claimed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="handoffs"
    )
    claimed_at = models.DateTimeField(null=True, blank=True)
    accepted_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=14, choices=ReturnReason, blank=True)
    note = models.TextField(blank=True)
    suspended_by = models.ForeignKey(
        Merge, on_delete=models.SET_NULL, null=True, blank=True, related_name="suspended_handoffs"
    )
    suspended_from = models.CharField(max_length=9, choices=HandoffState, blank=True, default="", db_default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["contact"], condition=models.Q(state__in=OPEN_STATES), name="handoff_one_open"
            ),
            models.CheckConstraint(condition=models.Q(state__in=HandoffState.values), name="handoff_state_known"),
            models.CheckConstraint(
                condition=models.Q(claimed_by=None, claimed_at=None)
                | models.Q(claimed_by__isnull=False, claimed_at__isnull=False),
                name="handoff_claim_paired",
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=OPEN_STATES, closed_at=None)
                | (~models.Q(state__in=OPEN_STATES) & models.Q(closed_at__isnull=False)),
                name="handoff_closed_paired",
            ),
            models.CheckConstraint(
                condition=~models.Q(state__in=[HandoffState.CLAIMED, HandoffState.ACCEPTED])
                | models.Q(claimed_by__isnull=False),
                name="handoff_claimed_has_rep",
            ),
            models.CheckConstraint(
                condition=~models.Q(state=HandoffState.RETURNED) | ~models.Q(reason=""),
                name="handoff_return_has_reason",
            ),
            models.CheckConstraint(
                condition=models.Q(state=HandoffState.SUSPENDED, suspended_from__in=OPEN_STATES)
                | (~models.Q(state=HandoffState.SUSPENDED) & models.Q(suspended_from="", suspended_by=None)),
                name="handoff_suspended_paired",
            ),
        ]
        indexes = [
            models.Index(fields=["state", "offered_at"], name="handoff_queue"),
            models.Index(fields=["claimed_by", "state"], name="handoff_mine"),
        ]

    def __str__(self) -> str:
        return f"handoff {self.pk} of contact {self.contact_id}: {self.state}"
