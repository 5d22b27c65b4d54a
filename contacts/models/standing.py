"""The read model of a judgement: where a contact stands. Written by scoring/services (owner: funnel/services)."""

from django.conf import settings
from django.db import models

from contacts.models.contact import Contact


class Standing(models.Model):
    """Where a contact stands as of ``evaluated_at``, the last moment of its timeline.

    Scores are integers in thousandths of a point. ``review_at`` is when time alone may next change the verdict.
    """

    contact = models.OneToOneField(Contact, on_delete=models.CASCADE, primary_key=True, related_name="standing")
    stage = models.CharField(max_length=32)
    stage_since = models.DateTimeField()
    furthest_stage = models.CharField(max_length=32)
    engagement_mp = models.BigIntegerField()
    fit_mp = models.BigIntegerField()
    last_activity_at = models.DateTimeField()
    evaluated_at = models.DateTimeField()
    review_at = models.DateTimeField(null=True, blank=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="owned_standings"
    )

    class Meta:
        indexes = [
            models.Index(fields=["review_at"], condition=models.Q(review_at__isnull=False), name="standing_review"),
            models.Index(fields=["stage", "-engagement_mp", "-contact"], name="standing_by_score"),
            models.Index(fields=["stage", "-last_activity_at", "-contact"], name="standing_by_recency"),
            models.Index(fields=["stage", "-fit_mp", "-contact"], name="standing_by_fit"),
            models.Index(fields=["stage", "-stage_since", "-contact"], name="standing_by_since"),
        ]

    def __str__(self) -> str:
        return f"{self.contact_id} {self.stage}"

    @property
    def engagement(self) -> float:
        """Engagement score in points, as of ``evaluated_at``."""
        return self.engagement_mp / 1000

    @property
    def fit(self) -> float:
        """Fit score in points, as of ``evaluated_at``."""
        return self.fit_mp / 1000
