"""What people of ours want for themselves, and what they keep: preferences."""

from django.conf import settings
from django.db import models


class Preferences(models.Model):
    """How one person wants Ripen to speak: ``language`` (a key of LANGUAGES) and IANA ``time_zone``.

    Empty means: what the browser asks for, and UTC. Of the first steps: whether this person chose to keep the
    definition that was in force, and whether they put the checklist away.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="preferences"
    )
    language = models.CharField(max_length=16, blank=True, default="")
    time_zone = models.CharField(max_length=64, blank=True, default="")
    keeps_definition = models.BooleanField(default=False)
    hides_first_steps = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"{self.language or 'browser'} {self.time_zone or 'UTC'}"
