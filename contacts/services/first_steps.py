"""The first steps of an installation: what people decide on the way that no other row tells."""

from django.contrib.auth.models import User

from contacts.models import Preferences


def keep_definition(*, by: User) -> None:
    """Note that ``by`` looked at the definitions and keeps the one in force. Doing so twice changes nothing."""
    Preferences.objects.update_or_create(user=by, defaults={"keeps_definition": True})


def put_checklist_away(*, by: User, away: bool = True) -> None:
    """Put the checklist away for ``by``, or (``away`` False) bring it back."""
    Preferences.objects.update_or_create(user=by, defaults={"hides_first_steps": away})
