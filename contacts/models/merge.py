"""Two contacts that are one person: suggestions, and merges that can be taken back."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from contacts.enums import MergeDecision, SuggestedBy
from contacts.models.contact import Contact


class Merge(models.Model):
    """``loser`` became part of ``winner``. Nothing is lost: rows know whose they were, so a merge can be undone.

    ``by`` is the person who decided, ``source`` the integration whose message did where nobody was asked.
    ``beginnings`` keeps the original source that each of the two had before. ``winner_events`` and ``loser_events``
    are how many events each had at that moment, ``events_after`` how many the winner had right after it.
    """

    winner = models.ForeignKey(Contact, on_delete=models.PROTECT, related_name="merges_won")
    loser = models.ForeignKey(Contact, on_delete=models.PROTECT, related_name="merges_lost")
    merged_at = models.DateTimeField(db_default=Now())
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="merges"
    )
    source = models.ForeignKey("contacts.Source", on_delete=models.PROTECT, null=True, blank=True)
    reason = models.CharField(max_length=255, blank=True)
    beginnings = models.JSONField(default=dict)
    winner_events = models.PositiveBigIntegerField()
    loser_events = models.PositiveBigIntegerField()
    events_after = models.PositiveBigIntegerField()
    undone_at = models.DateTimeField(null=True, blank=True)
    undone_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~models.Q(winner=models.F("loser")), name="merge_of_two"),
            models.UniqueConstraint(
                fields=["loser"], condition=models.Q(undone_at=None), name="merge_of_loser_in_force_once"
            ),
        ]
        indexes = [models.Index(fields=["source", "merged_at"], name="merge_by_source")]

    def __str__(self) -> str:
        return f"{self.loser_id} into {self.winner_id}"


class MergeSuggestion(models.Model):
    """Two contacts may be one person: a message named both, or they look alike. A person decides.

    ``score`` is how alike they are, 0 to 100 (finder only); ``evidence`` what speaks for it, as shown to people.
    """

    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="merge_suggestions")
    other = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="+")
    suggested_by = models.CharField(
        max_length=7, choices=SuggestedBy, default=SuggestedBy.MESSAGE, db_default=SuggestedBy.MESSAGE
    )
    reason = models.CharField(max_length=255)
    score = models.PositiveSmallIntegerField(null=True, blank=True)
    evidence = models.JSONField(default=list, db_default=models.Value([], models.JSONField()))
    source = models.ForeignKey("contacts.Source", on_delete=models.PROTECT, null=True)
    created_at = models.DateTimeField(db_default=Now())
    decision = models.CharField(
        max_length=9, choices=MergeDecision, blank=True, default=MergeDecision.OPEN, db_default=MergeDecision.OPEN
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    merge = models.ForeignKey(Merge, on_delete=models.SET_NULL, null=True, blank=True, related_name="suggestions")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["contact", "other"], name="mergesuggestion_once"),
            models.CheckConstraint(condition=models.Q(contact__lt=models.F("other")), name="mergesuggestion_ordered"),
            models.CheckConstraint(
                condition=models.Q(suggested_by__in=SuggestedBy.values), name="mergesuggestion_by_known"
            ),
            models.CheckConstraint(
                condition=models.Q(decision=MergeDecision.OPEN, decided_at=None)
                | (
                    models.Q(decision__in=[MergeDecision.MERGED, MergeDecision.DISMISSED])
                    & models.Q(decided_at__isnull=False)
                ),
                name="mergesuggestion_decided_paired",
            ),
        ]
        indexes = [models.Index(fields=["-score", "id"], condition=models.Q(decision=""), name="mergesuggestion_open")]

    def __str__(self) -> str:
        return f"{self.contact_id} ~ {self.other_id}"
