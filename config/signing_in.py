"""Failed sign-ins are limited, and every sign-in and change of one's security leaves a line in the audit log."""

import ipaddress
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from allauth.account import signals as account_signals
from allauth.account.adapter import get_adapter
from allauth.core.internal.ratelimit import get_rates, truncate_ip
from allauth.mfa import signals as mfa_signals
from allauth.mfa.adapter import get_adapter as get_mfa_adapter
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import normalize_user_code
from django.contrib.auth import signals as auth_signals
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest
from django.utils import timezone

from config.accounts import SIGNED_IN_AT
from config.sealing import CannotOpen, is_sealed, seal
from contacts.audit import AuditAct, AuditThing
from contacts.services.auditing import record_act
from contacts.services.throttling import Attempt, Limit, begin_attempt, forgive, take_back

# How much of a visitor's address the audit log keeps: enough to see where from, too little to name a household.
_KEPT_BITS: Final = {4: 24, 6: 48}
# For longer than an app's code is taken, with the tolerance on both sides.
_CODE_IS_USED_UP: Final = timedelta(minutes=5)


def limits_of(request: HttpRequest, account: str) -> list[Limit]:
    """Return what failures are counted by: ``ACCOUNT_RATE_LIMITS["login_failed"]``, by account and by address."""
    found = []
    for rate in get_rates(app="allauth.account", action="login_failed"):
        of, value = ("address", _address(request)) if rate.per == "ip" else ("account", account)
        found.append(Limit(of, value, rate.amount, timedelta(seconds=rate.duration)))
    return found


def attempt(request: HttpRequest, account: str, *, person: User | None = None) -> Attempt:
    """Begin an attempt to sign in as ``account``.

    Raises:
        ValidationError: there were too many; who it was about is told once in the audit log.
    """
    begun = begin_attempt(limits=limits_of(request, account), now=timezone.now())
    if begun.refused:
        if begun.first:
            _note(AuditAct.LOCKED_OUT, request, about=person)
        refusal: ValidationError = get_adapter().validation_error("too_many_login_attempts")
        raise refusal
    return begun


def begin_anew(request: HttpRequest, account: str) -> None:
    """Forget the failures of an account whose owner has just proved to read its mail."""
    for limit in limits_of(request, account):
        if limit.of == "account":
            forgive(limit)


class _Limited:
    """A form that asks for a code of a second factor."""

    user: User
    authenticator: Authenticator

    def clean_code(self) -> str:
        """Count the attempt before the code is looked at."""
        request = self._request()
        begun = attempt(request, f"second factor {self.user.pk}", person=self.user)
        try:
            code: str = super().clean_code()  # type: ignore[misc]  # of allauth's form
        except CannotOpen:
            code = ""
        if code and self._is_used_up(code):
            self._emit_authentication_failed(self.authenticator)  # type: ignore[attr-defined]  # of allauth's form
            code = ""
        if not code:
            refusal: ValidationError = get_mfa_adapter().validation_error("incorrect_code")
            raise refusal
        take_back(begun)
        _seal_seed(self.authenticator)
        return code

    def _is_used_up(self, code: str) -> bool:
        """Use a code up in the database: allauth notes it in a cache, for less time than the code is good."""
        once = Limit("code", f"{self.user.pk} {normalize_user_code(code)}", 1, _CODE_IS_USED_UP)
        return begin_attempt(limits=[once], now=timezone.now()).refused

    @staticmethod
    def _request() -> HttpRequest:
        from allauth.core import context

        request: HttpRequest = context.request
        return request


class CodeForm(_Limited, AuthenticateForm):  # type: ignore[misc]  # allauth ships no types
    """Asks for a code at sign-in."""


class CodeAgainForm(_Limited, ReauthenticateForm):  # type: ignore[misc]  # allauth ships no types
    """Asks for a code before something important."""


def _seal_seed(authenticator: Authenticator) -> None:
    """Seal the seed of a factor that was set up before seeds were sealed."""
    for name in ("secret", "seed"):
        kept = authenticator.data.get(name, "")
        if kept and not is_sealed(kept):
            authenticator.data[name] = seal(kept)
            authenticator.save(update_fields=["data"])


def owner_of(credentials: Mapping[str, Any]) -> User | None:
    """Return whose account is asked for, None where there is none."""
    address = str(credentials.get("email") or credentials.get("username") or "")[:254]
    return User.objects.filter(email__iexact=address).first() if address and "\0" not in address else None


def _address(request: HttpRequest | None) -> str:
    """The visitor's address, of IPv6 its network; empty where there is none (the shell)."""
    try:
        return truncate_ip(get_adapter().get_client_ip(request)) if request is not None else ""
    except PermissionDenied:
        return ""


def _network(request: HttpRequest | None) -> str:
    try:
        address = ipaddress.ip_address(_address(request))
    except ValueError:
        return ""
    return str(ipaddress.ip_network(f"{address}/{_KEPT_BITS[address.version]}", strict=False))


def _note(
    act: AuditAct, request: HttpRequest | None, *, by: User | None = None, about: User | None = None, **more: Any
) -> None:
    whom = (AuditThing.PERSON, about.pk) if about is not None else None
    record_act(act, by=by, about=whom, network=_network(request), **more)


def _signed_in(request: HttpRequest, user: User, **_: Any) -> None:
    request.session[SIGNED_IN_AT] = int(timezone.now().timestamp())
    _note(AuditAct.SIGNED_IN, request, by=user, about=user)


def _signed_out(request: HttpRequest, user: User | None, **_: Any) -> None:
    if user is not None:
        _note(AuditAct.SIGNED_OUT, request, by=user, about=user)


def _failed(credentials: Mapping[str, Any], request: HttpRequest | None = None, **_: Any) -> None:
    _note(AuditAct.SIGN_IN_FAILED, request, about=owner_of(credentials))


def _code_failed(request: HttpRequest, user: User, authenticator: Authenticator, **_: Any) -> None:
    _note(AuditAct.SIGN_IN_FAILED, request, about=user, factor=authenticator.type)


def _of_password(act: AuditAct) -> Any:
    def note(request: HttpRequest, user: User, **_: Any) -> None:
        _note(act, request, by=user, about=user)

    return note


def _of_factor(act: AuditAct) -> Any:
    def note(request: HttpRequest, user: User, authenticator: Authenticator, **_: Any) -> None:
        _note(act, request, by=user, about=user, factor=authenticator.type)

    return note


def listen() -> None:
    """Note sign-ins, sign-outs and changes of passwords and second factors; once a process."""
    for signal, receiver, name in (
        (auth_signals.user_logged_in, _signed_in, "signed_in"),
        (auth_signals.user_logged_out, _signed_out, "signed_out"),
        (auth_signals.user_login_failed, _failed, "failed"),
        (mfa_signals.authentication_failed, _code_failed, "code_failed"),
        (account_signals.password_changed, _of_password(AuditAct.PASSWORD_CHANGED), "changed"),
        (account_signals.password_set, _of_password(AuditAct.PASSWORD_CHANGED), "set"),
        (account_signals.password_reset, _of_password(AuditAct.PASSWORD_RESET), "reset"),
        (mfa_signals.authenticator_added, _of_factor(AuditAct.SECOND_FACTOR_ADDED), "added"),
        (mfa_signals.authenticator_removed, _of_factor(AuditAct.SECOND_FACTOR_REMOVED), "removed"),
        (mfa_signals.authenticator_reset, _of_factor(AuditAct.RECOVERY_CODES_RENEWED), "renewed"),
    ):
        signal.connect(receiver, weak=False, dispatch_uid=f"ripen.audit.{name}")
