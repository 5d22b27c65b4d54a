"""People of ours: what they want for themselves, and who is invited."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from contacts.enums import Role


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


class Invitation(models.Model):
    """Somebody who is asked to join: the link in the mail names this row and its ``nonce``.

    Sending it again changes the nonce, so that only the latest link opens it, until ``expires_at``. It is open while it
    is neither accepted (``person`` is who joined) nor withdrawn.
    """

    email = models.EmailField(max_length=150)
    roles = ArrayField(models.CharField(max_length=10, choices=Role))
    nonce = models.CharField(max_length=32)
    invited_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now())
    sent_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["email"],
                condition=models.Q(accepted_at=None, withdrawn_at=None),
                name="invitation_open_once_an_address",
            ),
        ]

    def __str__(self) -> str:
        return self.email
