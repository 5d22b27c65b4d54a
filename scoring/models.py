"""The judgement's records: definitions, their publications, and every transition with its cause."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from contacts.models import Contact, Event
from scoring.enums import Cause, DefinitionState


class Definition(models.Model):
    """One version of a definition document (see scoring/definition.py). Immutable once published."""

    key = models.CharField(max_length=64)
    version = models.PositiveIntegerField()
    name = models.CharField(max_length=200)
    state = models.CharField(max_length=10, choices=DefinitionState, default=DefinitionState.DRAFT)
    document = models.JSONField()
    created_at = models.DateTimeField(db_default=Now())
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["key", "version"], name="definition_version_once"),
            models.CheckConstraint(condition=models.Q(state__in=DefinitionState.values), name="definition_state_known"),
        ]

    def __str__(self) -> str:
        return f"{self.key} v{self.version}"


class Publication(models.Model):
    """From ``effective_at`` on this definition was in force. The first counts since the beginning of time.

    Rolling back sets ``retracted_at``: timelines are then recomputed as if it had not happened.
    """

    definition = models.ForeignKey(Definition, on_delete=models.PROTECT, related_name="publications")
    effective_at = models.DateTimeField(unique=True)
    quiet = models.BooleanField(default=False)
    published_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True)
    retracted_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.definition} from {self.effective_at:%Y-%m-%d %H:%M}"


class Transition(models.Model):
    """A contact's stage changed at ``effective_at``; history and outbox in one row.

    The first row of a contact comes from no stage (``""``). A corrected timeline supersedes rows, never deletes
    them. ``xid`` orders the feed by commit; ``consumed_at`` is set when its consequences were drawn.
    """

    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="transitions", db_index=False)
    from_stage = models.CharField(max_length=32, blank=True)
    to_stage = models.CharField(max_length=32)
    effective_at = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=Now())
    cause = models.CharField(max_length=11, choices=Cause)
    cause_event = models.ForeignKey(Event, on_delete=models.PROTECT, null=True, blank=True, db_index=False)
    definition = models.ForeignKey(Definition, on_delete=models.PROTECT, db_index=False)
    engagement_mp = models.BigIntegerField()
    fit_mp = models.BigIntegerField()
    xid = models.BigIntegerField(db_default=models.expressions.RawSQL("pg_current_xact_id()::text::bigint", ()))
    superseded_at = models.DateTimeField(null=True, blank=True)
    superseded_by = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="corrects", db_index=False
    )
    consumed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["contact", "effective_at"],
                condition=models.Q(superseded_at=None),
                name="transition_one_a_moment",
            ),
            models.CheckConstraint(condition=models.Q(cause__in=Cause.values), name="transition_cause_known"),
            models.CheckConstraint(
                condition=~models.Q(from_stage=models.F("to_stage")), name="transition_changes_stage"
            ),
            models.CheckConstraint(
                condition=models.Q(superseded_by=None) | models.Q(superseded_at__isnull=False),
                name="transition_superseded_paired",
            ),
        ]
        indexes = [
            models.Index(fields=["contact", "-effective_at"], name="transition_by_contact"),
            models.Index(fields=["xid", "id"], name="transition_feed"),
            models.Index(fields=["id"], condition=models.Q(consumed_at=None), name="transition_unconsumed"),
        ]

    def __str__(self) -> str:
        return f"{self.contact_id}: {self.from_stage or 'new'} -> {self.to_stage}"
