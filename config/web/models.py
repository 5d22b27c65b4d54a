"""Answers kept so that a repeated request gets the first one again."""

from django.db import models
from django.db.models.functions import Now


class KeptAnswer(models.Model):
    """The answer to a request that carried an ``Idempotency-Key``.

    ``caller`` is a hash of who asked, so that nobody is given another's answer; ``request_digest`` (SHA-256 of method,
    address and body) tells a repetition from a key that is used twice by mistake.
    """

    caller = models.CharField(max_length=64)
    key = models.CharField(max_length=255)
    request_digest = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    content_type = models.CharField(max_length=100, blank=True)
    location = models.CharField(max_length=500, blank=True)
    body = models.BinaryField(default=bytes)
    created_at = models.DateTimeField(db_default=Now(), db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["caller", "key"], name="keptanswer_once")]

    def __str__(self) -> str:
        return f"{self.key}: {self.status}"
