"""Long work as a row: the order, the progress and the result."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from contacts.enums import JobKind, WorkState


class Work(models.Model):
    """Work that a worker does in chunks: this row is the order, the progress and the result.

    ``total`` 0 means that the size is not known yet; ``unit`` says what is counted. ``reached``: what comes up to here
    is done for good, so that whoever takes the work over goes on from there.
    """

    state = models.CharField(max_length=9, choices=WorkState, default=WorkState.QUEUED)
    parameters = models.JSONField(default=dict)
    unit = models.CharField(max_length=20, default="contacts")
    done = models.BigIntegerField(default=0)
    total = models.BigIntegerField(default=0)
    reached = models.BigIntegerField(default=0, db_default=0)
    requested_at = models.DateTimeField(db_default=Now())
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    error = models.TextField(blank=True)
    result = models.JSONField(null=True, blank=True)

    class Meta:
        abstract = True


class Job(Work):
    """Long work on facts: an import, an erasure, the search for duplicates.

    ``parameters`` and ``result`` never hold what names a person: a job stays when the person is erased. ``contact`` is
    whom an erasure or export is about; after an erasure its husk.
    """

    kind = models.CharField(max_length=16, choices=JobKind)
    contact = models.ForeignKey(
        "contacts.Contact", on_delete=models.PROTECT, null=True, blank=True, related_name="jobs", db_index=True
    )

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(kind__in=JobKind.values), name="job_kind_known"),
            models.CheckConstraint(condition=models.Q(state__in=WorkState.values), name="job_state_known"),
            models.CheckConstraint(
                condition=models.Q(finished_at=None, state__in=("queued", "running"))
                | models.Q(finished_at__isnull=False, state__in=("finished", "failed", "cancelled")),
                name="job_finished_paired",
            ),
        ]
        indexes = [
            models.Index(fields=["id"], condition=models.Q(finished_at=None), name="job_unfinished"),
            models.Index(fields=["kind", "-id"], name="job_of_kind"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.pk}: {self.state}"
