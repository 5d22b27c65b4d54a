"""What is wrong with Ripen itself just now."""

from django.db import models


class Trouble(models.Model):
    """An alarm that lasts: ``part`` as in funnel/operation.py, since when, and when administrators were told.

    There is one row a part while it lasts, and none when it is over. Written by funnel/services/troubles.py alone.
    """

    part = models.CharField(max_length=20, primary_key=True)
    since = models.DateTimeField()
    told_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.part} since {self.since:%Y-%m-%d %H:%M}"
