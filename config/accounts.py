"""How people sign in: nobody signs up, what is asked of a second factor, and how a session is kept in sight."""

import logging
import smtplib
from collections.abc import Callable
from typing import Any, Final

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.auth_backends import AuthenticationBackend
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import SESSION_KEY, logout
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import User
from django.core.cache import cache
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext, ngettext

from config.sealing import open_sealed, seal
from contacts.enums import Role
from contacts.permissions import roles_of
from contacts.selectors.people import person_of_session
from contacts.services.throttling import take_back

logger = logging.getLogger(__name__)

# How exactly the list of sessions tells when one was last seen; a write a session in this time, in seconds.
SEEN_EVERY: Final = 300
# Where a session keeps since when, in seconds of the epoch.
SIGNED_IN_AT: Final = "signed_in_at"
# What somebody who still has to set up a second factor may reach: that, their language, help, and the way out.
_ALWAYS: Final = ("/account/", "/language/", "/docs/", "/static/", "/healthz", "/readyz", "/metrics", "/invitation/")


class ClosedAccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth ships no types
    """allauth's behaviour with public sign-up closed."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Closed."""
        return False

    def format_email_subject(self, subject: str) -> str:
        """Leave the subject as it is written."""
        return str(subject)

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Count the attempt before the password is looked at, in the database: see `contacts.services.throttling`."""
        from config.signing_in import attempt, owner_of

        account = str(credentials.get("email") or credentials.get("username") or "").strip().lower()
        self._attempt = attempt(request, account, person=owner_of(credentials))

    def _rollback_login_failed_rl_usage(self) -> None:
        """Take the count back: the password was right."""
        take_back(self._attempt)

    def _delete_login_attempts_cached_email(self, request: HttpRequest, **credentials: Any) -> None:
        """Let somebody who set a new password by mail begin anew."""
        from config.signing_in import begin_anew

        begin_anew(request, str(credentials.get("email") or "").strip().lower())

    def send_notification_mail(
        self,
        template_prefix: str,
        user: User,
        context: dict[str, Any] | None = None,
        email: str | None = None,
    ) -> None:
        """Tell people of changes to their account at the address they sign in with."""
        super().send_notification_mail(template_prefix, user, context=context, email=email or user.email)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send a mail; where no mail server answers, note it and go on: what it tells has happened all the same."""
        try:
            super().send_mail(template_prefix, email, context)
        except (OSError, smtplib.SMTPException) as error:
            logger.warning("account_mail_not_sent", extra={"mail": template_prefix, "error": type(error).__name__})


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth ships no types
    """allauth's second factors under the product's own name."""

    def generate_authenticator_name(self, user: AbstractBaseUser, type: Authenticator.Type) -> str:  # noqa: A002
        """Return a name to begin with for a new passkey."""
        number = Authenticator.objects.filter(user_id=user.pk, type=type).count() + 1
        return gettext("Passkey %(number)d") % {"number": number}

    def encrypt(self, text: str) -> str:
        """Seal the seed of codes before it is stored."""
        return seal(text)

    def decrypt(self, encrypted_text: str) -> str:
        """Open it again."""
        return open_sealed(encrypted_text)

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """Return for whom a passkey is made: this host, shown as the product."""
        entity: dict[str, str] = super().get_public_key_credential_rp_entity()
        return {**entity, "name": settings.MFA_TOTP_ISSUER}


class _OfSession:
    """Reads the person of a session."""

    def get_user(self, user_id: int) -> User | None:
        """Return the person; None where there is none, or where they are deactivated."""
        user = person_of_session(user_id)
        return user if user is not None and user.is_active else None


class PasswordBackend(_OfSession, ModelBackend):
    """Signs in by username and password."""


class AddressBackend(_OfSession, AuthenticationBackend):  # type: ignore[misc]  # allauth ships no types
    """Signs in by e-mail address and password."""


class SessionsEnd:
    """Ends a session RIPEN_SESSION_HOURS after its sign-in, however busy it is."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Sign out whose time is over, and go on."""
        session, hours = request.session, settings.SESSION_HOURS
        signed_in = settings.SESSION_COOKIE_NAME in request.COOKIES and SESSION_KEY in session
        if signed_in and session.get(SIGNED_IN_AT, 0) + hours * 3600 <= timezone.now().timestamp():
            logout(request)
            text = ngettext(
                "A session lasts an hour. Sign in again to go on.",
                "A session lasts %(hours)d hours. Sign in again to go on.",
                hours,
            )
            messages.info(request, text % {"hours": hours})
        return self.get_response(request)


class SessionsInSight:
    """Notes when a session was last seen and from where, once in five minutes: not a write for every page."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Note it where it is time, and go on."""
        key = request.session.session_key
        if key and request.user.is_authenticated and cache.add(f"session-seen:{key}", 1, SEEN_EVERY):
            UserSession.objects.create_from_request(request)
        return self.get_response(request)


class SecondFactorFirst:
    """Leads those of whom RIPEN_REQUIRE_SECOND_FACTOR demands a second factor to setting one up."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Go on, or lead there; a program that came with a session is refused."""
        if not settings.REQUIRE_SECOND_FACTOR or request.path.startswith(_ALWAYS):
            return self.get_response(request)
        user = request.user
        if not user.is_authenticated or is_mfa_enabled(user):
            return self.get_response(request)
        if settings.REQUIRE_SECOND_FACTOR == "admins" and Role.ADMIN not in roles_of(user):
            return self.get_response(request)
        if request.path.startswith("/api/"):
            problem = {"detail": "Set up a second factor first.", "code": "second_factor_required"}
            return JsonResponse(problem, status=403)
        messages.warning(request, gettext("This installation asks for a second factor: set one up to go on."))
        return redirect("mfa_index")


def not_offered(request: HttpRequest, key: str = "") -> HttpResponse:
    """Answer for pages of allauth that Ripen does not offer."""
    raise Http404("Addresses are given by administrators.")
