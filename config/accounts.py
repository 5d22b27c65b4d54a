"""Who gets an account: people are made by an administrator, nobody signs up."""

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest


class ClosedAccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth ships no types
    """allauth's behaviour with public sign-up closed."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Closed."""
        return False
