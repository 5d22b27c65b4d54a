"""Who may write and read: sources (integrations) and personal tokens (people)."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from contacts.enums import Direction, Motion, Scope, SourceKind


class Source(models.Model):
    """An integration that sends facts, identified by a write key of which only a hash is kept."""

    name = models.CharField(max_length=100, unique=True)
    kind = models.CharField(max_length=10, choices=SourceKind, default=SourceKind.SERVER)
    scopes = ArrayField(models.CharField(max_length=32, choices=Scope), default=list)
    key_hash = models.CharField(max_length=64, unique=True, null=True, blank=True)
    key_prefix = models.CharField(max_length=16, blank=True)
    channel = models.CharField(max_length=100, blank=True)
    direction = models.CharField(max_length=10, choices=Direction, blank=True)
    motion = models.CharField(max_length=20, choices=Motion, blank=True)
    kind_names = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(kind__in=SourceKind.values), name="source_kind_known"),
            models.CheckConstraint(condition=models.Q(direction__in=Direction.values), name="source_direction_known"),
            models.CheckConstraint(condition=models.Q(motion__in=Motion.values), name="source_motion_known"),
        ]

    def __str__(self) -> str:
        return self.name


class PersonalToken(models.Model):
    """A token that may do what its person may do; only its hash is kept."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="personal_tokens")
    name = models.CharField(max_length=100)
    key_hash = models.CharField(max_length=64, unique=True)
    key_prefix = models.CharField(max_length=16)
    created_at = models.DateTimeField(db_default=Now())
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.name} ({self.key_prefix}…)"
