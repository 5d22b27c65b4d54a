"""Imports of CSV files: what was asked, how far it came, what came of it."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from contacts.models.work import Job


class ImportRun(models.Model):
    """One import of a file. Counts add up: rows = created + updated + unchanged + rejected.

    ``stored_file`` is the uploaded file's name in the state folder, blank once it was removed (or where the shell read
    a file in place). ``job`` is the work in the background, None in the shell. ``what``: ``contacts`` or ``events``.
    """

    what = models.CharField(max_length=8, default="contacts", db_default="contacts")
    file_name = models.CharField(max_length=255)
    stored_file = models.CharField(max_length=255, blank=True, db_default="")
    mapping = models.JSONField(default=dict)
    mode = models.CharField(max_length=6, default="upsert")
    job = models.OneToOneField(Job, on_delete=models.CASCADE, null=True, blank=True, related_name="import_run")
    started_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True, blank=True)
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True)
    rows = models.PositiveIntegerField(default=0)
    created = models.PositiveIntegerField(default=0)
    updated = models.PositiveIntegerField(default=0)
    unchanged = models.PositiveIntegerField(default=0)
    rejected = models.PositiveIntegerField(default=0)
    errors_file = models.CharField(max_length=500, blank=True)
    # How much of the errors file belongs to rows that are done for good; what a dead worker wrote beyond is cut off.
    errors_bytes = models.BigIntegerField(default=0, db_default=0)

    def __str__(self) -> str:
        return f"{self.file_name} ({self.rows} rows)"


class SavedMapping(models.Model):
    """What the columns of files with this header mean, as somebody settled it: the next such file is mapped so."""

    what = models.CharField(max_length=8, default="contacts")
    header_hash = models.CharField(max_length=64)
    mapping = models.JSONField()
    saved_at = models.DateTimeField(db_default=Now())
    saved_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["what", "header_hash"], name="savedmapping_once")]

    def __str__(self) -> str:
        return f"{self.what} {self.header_hash[:8]}"
