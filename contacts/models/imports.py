"""Runs of CSV imports: what was asked, how far it came, what came of it."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now


class ImportRun(models.Model):
    """One import of a file. Counts add up: rows = created + updated + unchanged + rejected."""

    file_name = models.CharField(max_length=255)
    mapping = models.JSONField(default=dict)
    mode = models.CharField(max_length=6, default="upsert")
    started_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True, blank=True)
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True)
    rows = models.PositiveIntegerField(default=0)
    created = models.PositiveIntegerField(default=0)
    updated = models.PositiveIntegerField(default=0)
    unchanged = models.PositiveIntegerField(default=0)
    rejected = models.PositiveIntegerField(default=0)
    errors_file = models.CharField(max_length=500, blank=True)

    def __str__(self) -> str:
        return f"{self.file_name} ({self.rows} rows)"
