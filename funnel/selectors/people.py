"""How people are named to each other."""

from django.contrib.auth.models import User


def name_of(user: User) -> str:
    """The person's full name, else their e-mail address, else their username."""
    return user.get_full_name() or user.email or user.get_username()
