"""What contacts did: event kinds, the append-only event log, message dedupe, and who is due for judgement."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from contacts.enums import TWO_WAY_KIND_IDS, Initiator, Reach
from contacts.models.access import Source
from contacts.models.contact import Contact


class Kind(models.Model):
    """A kind of event. Shipped ones have fixed ids; one that a source sends first is kept unmapped.

    ``maps_to`` is the shipped kind that it means, once somebody said so: its events, past ones too, are judged as that.
    ``is_ignored``: somebody said that it means nothing, so it is no longer listed for mapping.
    """

    id = models.SmallIntegerField(primary_key=True)
    name = models.CharField(max_length=64, unique=True)
    initiator = models.CharField(max_length=5, choices=Initiator, blank=True)
    reach = models.CharField(max_length=4, choices=Reach, blank=True)
    two_way = models.BooleanField(default=False)
    system = models.BooleanField(default=False)
    introduced_by = models.ForeignKey(
        Source, on_delete=models.PROTECT, null=True, blank=True, related_name="introduced_kinds"
    )
    maps_to = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="mapped_kinds")
    is_ignored = models.BooleanField(default=False, db_default=False)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(initiator__in=Initiator.values), name="kind_initiator_known"),
            models.CheckConstraint(condition=models.Q(reach__in=Reach.values), name="kind_reach_known"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def judged(self) -> "Kind":
        """The kind as which its events are judged and shown: the one that it maps to, else itself."""
        return self.maps_to or self


class Event(models.Model):
    """One thing that happened. Append-only: a retraction or a suspicion is a mark, never a deletion.

    ``dedupe_id`` is the message id where that is a UUID, else uuid5 of source and message id; it is unique in
    its source for ever. ``body_digest`` tells a repeat from a conflict. ``origin_contact_id`` never changes; a
    merge re-points only ``contact``.
    """

    contact = models.ForeignKey(Contact, on_delete=models.PROTECT, related_name="events", db_index=False)
    origin_contact_id = models.BigIntegerField()
    kind = models.ForeignKey(Kind, on_delete=models.PROTECT, db_index=False)
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField(db_default=Now())
    channel = models.CharField(max_length=32, blank=True)
    source = models.ForeignKey(Source, on_delete=models.PROTECT, db_index=False)
    message_id = models.CharField(max_length=255)
    dedupe_id = models.UUIDField()
    body_digest = models.BigIntegerField(default=0)
    properties = models.JSONField(default=dict)
    recorded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, db_index=False
    )
    suspect_reason = models.CharField(max_length=100, blank=True)
    retracted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["dedupe_id", "source"], name="event_message_once"),
        ]
        indexes = [
            # Judgement reads only this: index-only, in contact order; marked events are not in it at all.
            models.Index(
                fields=["contact", "occurred_at"],
                include=["kind"],
                condition=models.Q(retracted_at=None, suspect_reason=""),
                name="event_judged",
            ),
            # Who it was with is a property: what asks for it reads these few events and no others.
            models.Index(
                fields=["contact", "occurred_at"],
                include=["kind"],
                condition=models.Q(kind__in=TWO_WAY_KIND_IDS, retracted_at=None, suspect_reason=""),
                name="event_two_way",
            ),
            # Those with a named individual, which the shipped definitions ask for: they are counted by the index alone.
            models.Index(
                fields=["contact", "occurred_at"],
                include=["kind"],
                condition=models.Q(
                    kind__in=TWO_WAY_KIND_IDS, properties__with__regex=r"\S", retracted_at=None, suspect_reason=""
                ),
                name="event_named",
            ),
            # The few marked ones, for the timeline; together the two cover every event.
            models.Index(
                fields=["contact", "occurred_at"],
                condition=~models.Q(retracted_at=None, suspect_reason=""),
                name="event_marked",
            ),
            # What machines seem to have done, for the page that lists it by day.
            models.Index(fields=["occurred_at"], condition=~models.Q(suspect_reason=""), name="event_suspect"),
        ]

    def __str__(self) -> str:
        return f"{self.kind_id} at {self.occurred_at:%Y-%m-%d %H:%M}"


class Message(models.Model):
    """A message that is no event (identify, group, alias): remembered so that its repeat changes nothing."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    source = models.ForeignKey(Source, on_delete=models.PROTECT, db_index=False)
    dedupe_id = models.UUIDField()
    body_digest = models.BigIntegerField(default=0)
    received_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["dedupe_id", "source"], name="message_once")]

    def __str__(self) -> str:
        return str(self.dedupe_id)


class Due(models.Model):
    """This contact has facts that no judgement has seen. Appended with the fact, deleted by the drain.

    ``occurred_at`` is the earliest of those facts in event time: at or before the last judgement means that
    the contact's timeline starts over. No unique key: ingest must never wait for the evaluator. No foreign key in the
    database either: whoever appends holds the contacts meanwhile, so checking every row again would find nothing.
    """

    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, db_index=True, db_constraint=False)
    occurred_at = models.DateTimeField()
    queued_at = models.DateTimeField(db_default=Now())
    attempts = models.SmallIntegerField(default=0, db_default=0)
    error = models.CharField(max_length=500, blank=True, db_default="")
    quarantined_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "due"

    def __str__(self) -> str:
        return f"contact {self.contact_id} since {self.occurred_at:%Y-%m-%d %H:%M}"
