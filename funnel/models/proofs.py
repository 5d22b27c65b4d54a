"""What scheduled checks of the invariants found."""

from django.contrib.postgres.fields import ArrayField
from django.db import models


class Proof(models.Model):
    """One scheduled check of the invariants of API.md, on a sample. Written by funnel/services/proving.py alone.

    ``contacts`` is how many were looked at, ``violations`` how many things did not hold; ``invariants`` the numbers of
    those that were broken, ``contact_ids`` whom (as many as the next check looks at again). No words: a message may
    quote what belongs to a person, and ``manage.py verify`` says it anew.
    """

    checked_at = models.DateTimeField()
    took_ms = models.PositiveIntegerField()
    contacts = models.PositiveIntegerField()
    violations = models.PositiveIntegerField()
    invariants = ArrayField(models.PositiveSmallIntegerField(), default=list)
    contact_ids = ArrayField(models.BigIntegerField(), default=list)

    class Meta:
        indexes = [models.Index(fields=["-checked_at"], name="proof_latest")]

    def __str__(self) -> str:
        return f"{self.contacts} contacts at {self.checked_at:%Y-%m-%d %H:%M}: {self.violations} violations"
