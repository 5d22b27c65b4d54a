"""The judgement's records: definitions, their publications, and every transition with its cause."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from contacts.enums import WorkState
from contacts.models import Contact, Event, Work
from scoring.enums import Cause, DefinitionState, ModelState, RunKind, Team


class Definition(models.Model):
    """One version of a definition document (see scoring/definition/). Immutable once published.

    A draft is edited in place; each edit raises ``revision``, so that nobody overwrites what they have not seen.
    """

    key = models.CharField(max_length=64)
    version = models.PositiveIntegerField()
    name = models.CharField(max_length=200)
    state = models.CharField(max_length=10, choices=DefinitionState, default=DefinitionState.DRAFT)
    document = models.JSONField()
    created_at = models.DateTimeField(db_default=Now())
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True)
    revision = models.PositiveIntegerField(default=1, db_default=1)
    edited_at = models.DateTimeField(db_default=Now())
    edited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["key", "version"], name="definition_version_once"),
            models.CheckConstraint(condition=models.Q(state__in=DefinitionState.values), name="definition_state_known"),
        ]

    def __str__(self) -> str:
        return f"{self.key} v{self.version}"


class Publication(models.Model):
    """From ``effective_at`` on this definition was in force. The first counts since the beginning of time.

    ``judged_at`` is set once every contact was judged at its moment. Rolling back sets ``retracted_at``: timelines
    are then recomputed as if it had not happened.
    """

    definition = models.ForeignKey(Definition, on_delete=models.PROTECT, related_name="publications")
    effective_at = models.DateTimeField(unique=True)
    quiet = models.BooleanField(default=False)
    published_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True)
    judged_at = models.DateTimeField(null=True, blank=True)
    retracted_at = models.DateTimeField(null=True, blank=True)
    retracted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

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


class Approval(models.Model):
    """A team agreed to one revision of a draft; an edit makes another revision, which needs another word.

    Nothing is forgotten: a word that was taken back says by whom and when.
    """

    definition = models.ForeignKey(Definition, on_delete=models.CASCADE, related_name="approvals")
    revision = models.PositiveIntegerField()
    team = models.CharField(max_length=9, choices=Team)
    approved_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    approved_at = models.DateTimeField(db_default=Now())
    withdrawn_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["definition", "revision", "team"],
                condition=models.Q(withdrawn_at=None),
                name="approval_once_a_team",
            ),
            models.UniqueConstraint(
                fields=["definition", "revision", "approved_by"],
                condition=models.Q(withdrawn_at=None),
                name="approval_one_team_a_person",
            ),
            models.CheckConstraint(condition=models.Q(team__in=Team.values), name="approval_team_known"),
            models.CheckConstraint(
                condition=models.Q(withdrawn_at=None, withdrawn_by=None)
                | models.Q(withdrawn_at__isnull=False, withdrawn_by__isnull=False),
                name="approval_withdrawn_paired",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.team} agreed to {self.definition}"


class Run(Work):
    """Long work on a definition.

    ``definition`` is what is tried, published, taken back or trained; ``other`` the second one of a comparison.
    ``document`` is the definition as it was when the run was ordered, for a draft may change meanwhile. ``reached`` is
    the id of the last contact that is done for good.
    """

    kind = models.CharField(max_length=9, choices=RunKind)
    definition = models.ForeignKey(Definition, on_delete=models.CASCADE, related_name="runs")
    other = models.ForeignKey(Definition, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    publication = models.ForeignKey(Publication, on_delete=models.PROTECT, null=True, blank=True, related_name="runs")
    document = models.JSONField(default=dict)
    revision = models.PositiveIntegerField(default=1)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(kind__in=RunKind.values), name="run_kind_known"),
            models.CheckConstraint(condition=models.Q(state__in=WorkState.values), name="run_state_known"),
            models.CheckConstraint(
                condition=models.Q(finished_at=None, state__in=("queued", "running"))
                | models.Q(finished_at__isnull=False, state__in=("finished", "failed", "cancelled")),
                name="run_finished_paired",
            ),
        ]
        indexes = [
            models.Index(fields=["id"], condition=models.Q(finished_at=None), name="run_unfinished"),
            models.Index(fields=["definition", "kind", "-id"], name="run_of_definition"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.definition}: {self.state}"


class RunCell(models.Model):
    """Contacts behind one cell of a run's matrix, ascending, a chunk of ids at a time."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="cells", db_index=False)
    origin = models.CharField(max_length=32)
    target = models.CharField(max_length=32)
    first_id = models.BigIntegerField()
    contact_ids = ArrayField(models.BigIntegerField())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run", "origin", "target", "first_id"], name="runcell_once"),
        ]

    def __str__(self) -> str:
        return f"{self.origin} -> {self.target}: {len(self.contact_ids)}"


class LearnedModel(models.Model):
    """A learned score as trained for a definition; ``weights`` is what its document's ``learned`` would hold.

    ``metrics``: outcomes, observations, AUC on the later part of the history, AUC of the hand-written score on the
    same part, the likelihoods' distribution at training (to measure drift against) and the drift last measured.
    """

    definition = models.ForeignKey(Definition, on_delete=models.CASCADE, related_name="learned_models")
    state = models.CharField(max_length=8, choices=ModelState, default=ModelState.READY)
    weights = models.JSONField()
    metrics = models.JSONField(default=dict)
    trained_at = models.DateTimeField()
    checked_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["definition"], condition=models.Q(state="ready"), name="learnedmodel_one_ready"
            ),
            models.CheckConstraint(condition=models.Q(state__in=ModelState.values), name="learnedmodel_state_known"),
        ]

    def __str__(self) -> str:
        return f"learned score of {self.definition}, {self.trained_at:%Y-%m-%d}"


class Notice(models.Model):
    """Something that Ripen did or found by itself and people must know, until somebody dismisses it."""

    definition = models.ForeignKey(Definition, on_delete=models.CASCADE, related_name="notices")
    text = models.CharField(max_length=500)
    created_at = models.DateTimeField(db_default=Now())
    dismissed_at = models.DateTimeField(null=True, blank=True)
    dismissed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["-id"], condition=models.Q(dismissed_at=None), name="notice_open")]

    def __str__(self) -> str:
        return self.text
