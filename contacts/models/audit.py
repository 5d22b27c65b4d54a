"""Who did what: the audit log, and the failed attempts to sign in that are counted."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from contacts.audit import AuditAct, AuditChannel, AuditThing


class AuditEntry(models.Model):
    """One privileged act. Append-only: a trigger refuses changes, save for forgetting who the account was.

    Args:
        at: when, of the database's clock.
        actor: whose account; None where it was nobody's (a source, a command) or the account is gone.
        actor_label: what the actor was called then.
        channel: through what; ``key_id`` is the number of the token or source, ``key_label`` its name.
        act: what.
        thing: to what sort of thing; ``thing_id`` is its number, empty where it has none.
        details: a few short values, never a secret and never what is known of a contact.
    """

    at = models.DateTimeField(db_default=Now())
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", db_index=False
    )
    actor_label = models.CharField(max_length=200, blank=True)
    channel = models.CharField(max_length=10, choices=AuditChannel)
    key_id = models.BigIntegerField(null=True, blank=True)
    key_label = models.CharField(max_length=100, blank=True)
    act = models.CharField(max_length=40, choices=AuditAct)
    thing = models.CharField(max_length=20, choices=AuditThing, blank=True)
    thing_id = models.CharField(max_length=64, blank=True)
    details = models.JSONField(default=dict, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(act__in=AuditAct.values), name="audit_act_known"),
            models.CheckConstraint(condition=models.Q(channel__in=AuditChannel.values), name="audit_channel_known"),
            models.CheckConstraint(condition=models.Q(thing__in=["", *AuditThing.values]), name="audit_thing_known"),
        ]
        indexes = [
            models.Index(fields=["actor", "-id"], name="audit_of_actor"),
            models.Index(fields=["act", "-id"], name="audit_of_act"),
            models.Index(fields=["thing", "thing_id", "-id"], name="audit_of_thing"),
            models.Index(fields=["at"], name="audit_at"),
        ]

    def __str__(self) -> str:
        return f"{self.actor_label or self.channel} {self.act} {self.thing} {self.thing_id}".strip()


class FailedSignIn(models.Model):
    """An attempt to sign in that failed, or is just being made: counted before it is looked at.

    ``key_hash``: keyed hash of what it is counted by (the account asked for, or the visitor's address); nothing here
    says whose. What is too old to count goes with later attempts.
    """

    key_hash = models.CharField(max_length=64)
    at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["key_hash", "at"], name="failed_sign_in_of_key"),
            models.Index(fields=["at"], name="failed_sign_in_at"),
        ]

    def __str__(self) -> str:
        return f"{self.key_hash[:8]} {self.at:%Y-%m-%d %H:%M:%S}"
