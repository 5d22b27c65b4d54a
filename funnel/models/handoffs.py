"""The handoff of a ready contact to Sales: its own axis, beside the stage."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Coalesce, Now

from contacts.models import Contact, Merge
from funnel.enums import OPEN_STATES, HandoffState, InterimOutcome, MoveName, ReleaseReason, ReturnReason
from scoring.models import Transition


class Handoff(models.Model):
    """One offer of a contact to Sales and what became of it. At most one is open for a contact.

    ``evidence`` is frozen when the offer opens: ``{"sentence", "stage", "engagement", "fit", "lines": [ledger lines],
    "questions": [gate keys whose answer is unknown], "definition": "key@version"}``.

    ``origin_contact_id``: whose handoff it was before a merge, where that is another contact; what is done with it is a
    fact of that one. Of two open ones a merge (``suspended_by``) suspends one, which was ``suspended_from`` until then.

    One clock at a time runs, in business hours, since ``waiting_since``: while it is offered until somebody claims it,
    then until the first logged attempt (``attempted_at``). ``warn_at`` and ``due_at`` are its two rings; both are NULL
    where none runs. ``waiting_since`` NULL means that the clock has yet to be set: the sweep does that.

    ``assigned_to``: the rep it is kept for (NULL: the pull queue), and ``routing`` why:
    ``{"rule", "why", "passed_over": [{"person", "why"}]}``. ``previous``: the offer that expired before this one;
    ``escalation`` counts how often the contact was offered in vain since ``first_offered_at``.

    ``outcome`` and ``next_at`` are the last interim result and what was agreed for when; ``last_activity_at`` the last
    thing that was said or done.
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
    moves_made = models.PositiveIntegerField(default=0, db_default=0)
    waiting_since = models.DateTimeField(null=True, blank=True)
    warn_at = models.DateTimeField(null=True, blank=True)
    warned_at = models.DateTimeField(null=True, blank=True)
    due_at = models.DateTimeField(null=True, blank=True)
    attempted_at = models.DateTimeField(null=True, blank=True)
    assigned_to = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="assigned_handoffs"
    )
    routing = models.JSONField(default=dict, db_default=models.Value({}, models.JSONField()), blank=True)
    previous = models.OneToOneField("self", on_delete=models.PROTECT, null=True, blank=True, related_name="next_offer")
    escalation = models.PositiveSmallIntegerField(default=0, db_default=0)
    first_offered_at = models.DateTimeField(db_default=Now())
    outcome = models.CharField(max_length=20, choices=InterimOutcome, blank=True, default="", db_default="")
    next_at = models.DateTimeField(null=True, blank=True)
    last_activity_at = models.DateTimeField(null=True, blank=True)
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
            models.CheckConstraint(
                condition=models.Q(outcome__in=["", *InterimOutcome.values]), name="handoff_outcome_known"
            ),
        ]
        indexes = [
            models.Index(fields=["state", "offered_at"], name="handoff_queue"),
            models.Index(fields=["claimed_by", "state"], name="handoff_mine"),
            models.Index(fields=["due_at"], condition=models.Q(due_at__isnull=False), name="handoff_due"),
            # The order of the queue: an offer whose clock has yet to be set goes by when it was first made.
            models.Index(
                Coalesce("due_at", "first_offered_at"), "id", condition=models.Q(state="offered"), name="handoff_by_due"
            ),
            # Who has waited longest is asked by every page of the queue, and by the overview.
            models.Index(
                fields=["first_offered_at"], condition=models.Q(state="offered"), name="handoff_waiting_since"
            ),
        ]

    def __str__(self) -> str:
        return f"handoff {self.pk} of contact {self.contact_id}: {self.state}"


class HandoffMove(models.Model):
    """One move of a handoff, from its offer (number 0) on: who held it when, and who passed it on. Append-only.

    ``from_rep`` and ``to_rep`` are its rep (or whom it was kept for) before and after: the rows are the owner's chain.
    ``by`` NULL means that no person did it: the judgement, the clock, a merge. ``due_at``: when the clock that ran
    until this move would have run out; NULL where none ran. Figures measure attainment by it, for the handoff's own
    clock starts anew with its next move.
    """

    handoff = models.ForeignKey(Handoff, on_delete=models.CASCADE, related_name="moves", db_index=False)
    number = models.PositiveIntegerField()
    name = models.CharField(max_length=16, choices=MoveName)
    from_state = models.CharField(max_length=9, choices=HandoffState, blank=True)
    to_state = models.CharField(max_length=9, choices=HandoffState)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    from_rep = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    to_rep = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    at = models.DateTimeField(db_default=Now())
    due_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(
        max_length=14,
        choices=[*ReturnReason.choices, *ReleaseReason.choices, *InterimOutcome.choices],
        blank=True,
    )
    note = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["handoff", "number"], name="handoffmove_number_once"),
            models.CheckConstraint(condition=models.Q(name__in=MoveName.values), name="handoffmove_name_known"),
        ]
        indexes = [models.Index(fields=["name", "at"], name="handoffmove_by_time")]

    def __str__(self) -> str:
        return f"handoff {self.handoff_id}, {self.number}: {self.name}"
