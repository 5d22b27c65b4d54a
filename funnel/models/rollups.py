"""What the funnel's figures are read from: kept by the drain, from an outbox that triggers fill with each change.

All of it follows from transitions in force and from who the contacts are; ``manage.py verify`` compares, and
funnel/services/counting/ alone writes it. A stage is named by its *place* in the counted order: 0 is the weakest, -1
stands before any. What a figure means is said in funnel/analytics.py.
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now


class Counting(models.Model):
    """The stages that the rollups are counted by (one row, id 1): keys, weakest first.

    A definition with other stages, or another order of them, is counted anew.
    """

    stages = ArrayField(models.CharField(max_length=32))
    counted_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return ", ".join(self.stages)


class Recount(models.Model):
    """A contact's moves or facets changed since it was counted: an outbox that triggers fill, whoever wrote.

    Append-only and without a unique key; counting coalesces.
    """

    contact_id = models.BigIntegerField()
    queued_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["contact_id"], name="recount_of_contact")]

    def __str__(self) -> str:
        return f"contact {self.contact_id} since {self.queued_at}"


class Passage(models.Model):
    """A counted move of a contact: one transition in force, as far as both of its stages are counted apart."""

    pk = models.CompositePrimaryKey("contact_id", "at")
    contact_id = models.BigIntegerField()
    at = models.DateTimeField()
    origin = models.SmallIntegerField()
    target = models.SmallIntegerField()

    class Meta:
        indexes = [models.Index(fields=["target", "at"], name="passage_by_target")]

    def __str__(self) -> str:
        return f"contact {self.contact_id}: {self.origin} -> {self.target}"


class Reached(models.Model):
    """How far a contact came, and under which facets it is counted.

    ``moments``: when it first stood at the weakest stage or a stronger one, at the next or a stronger one, and so on up
    to the strongest it reached. Bit ``5 * origin + target`` of ``strict``: it stood at ``origin`` when it reached it
    and its next move was to ``target``; of ``skipped``: it reached ``target`` without having stood at ``origin``.
    """

    contact_id = models.BigIntegerField(primary_key=True)
    moments = ArrayField(models.DateTimeField())
    strict = models.IntegerField()
    skipped = models.IntegerField()
    source = models.CharField(max_length=100)
    motion = models.CharField(max_length=20)
    direction = models.CharField(max_length=10)
    campaign = models.CharField(max_length=255)
    country = models.CharField(max_length=100)
    company_id = models.BigIntegerField(null=True)

    def __str__(self) -> str:
        return f"contact {self.contact_id} reached {len(self.moments)} stages"


class Tally(models.Model):
    """The sums of one day or month (``grain`` "d" or "m"; its first day; UTC), pair of stages and value of a facet.

    ``facet`` 0 is everybody (``value`` ""), 1 the source, 2 the motion, 3 the campaign, 4 the country.

    ``moves``: from ``origin`` to ``target`` on these days. ``reached``: who reached ``origin`` then (where ``target``
    is the same). Of those, for a stronger ``target``: ``loose``, ``strict``, ``skipped``, and in months ``ages``: the
    loose ones by how long it took them, up to each of ``funnel.analytics.AGES`` and beyond.

    ``waited``: who reached ``target`` on these days. ``waits``: in a day, how many seconds each of them had taken from
    reaching ``origin``, in no order; in a month, how many are in each bucket of ``funnel_wait_bucket()``.
    """

    pk = models.CompositePrimaryKey("facet", "grain", "origin", "target", "value", "day")
    facet = models.SmallIntegerField()
    grain = models.CharField(max_length=1)
    origin = models.SmallIntegerField()
    target = models.SmallIntegerField()
    value = models.CharField(max_length=255)
    day = models.DateField()
    moves = models.IntegerField()
    reached = models.IntegerField()
    loose = models.IntegerField()
    strict = models.IntegerField()
    skipped = models.IntegerField()
    waited = models.IntegerField()
    ages = ArrayField(models.IntegerField())
    waits = ArrayField(models.IntegerField())

    def __str__(self) -> str:
        return f"{self.grain} {self.day}: {self.origin} -> {self.target} of {self.value or 'all'}"
