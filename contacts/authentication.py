"""Who calls the API: a source by its write key, or a person by their personal token."""

from datetime import timedelta
from typing import Any, Final

import msgspec
from django.contrib.auth.models import AnonymousUser, User
from django.db import connection
from django.db.models import Q
from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from config.web.through import SOURCE, TOKEN, come_through
from contacts.keys import TOKEN_PREFIX, hash_key
from contacts.models import PersonalToken, Source

_MAX_KEY_LENGTH: Final = 200
# Precise to this, so that a busy key does not write one row at every request.
_USE_NOTED_EVERY: Final = timedelta(minutes=1)

# Written out, because to put such a query together costs more than to ask it, at every batch of events.
_SOURCE_FIELDS: Final = [field.attname for field in Source._meta.concrete_fields]  # noqa: SLF001  Django's public name for it
_FIND_SOURCE: Final = (
    f"SELECT {', '.join(_SOURCE_FIELDS)} FROM contacts_source WHERE key_hash = %s AND revoked_at IS NULL"  # noqa: S608  constants only
)


def find_source(key: str) -> Source | None:
    """Return the source whose write key this is, None when there is none or it was revoked. Notes the use."""
    if not key or len(key) > _MAX_KEY_LENGTH or not key.isascii():
        return None
    with connection.cursor() as cursor:
        cursor.execute(_FIND_SOURCE, [hash_key(key)])
        row = cursor.fetchone()
    if row is None:
        return None
    # Raw cursors give jsonb as text.
    told = dict(zip(_SOURCE_FIELDS, row, strict=True))
    told["kind_names"] = msgspec.json.decode(told["kind_names"])
    source = Source.from_db(connection.alias, _SOURCE_FIELDS, list(told.values()))
    _note_use(source)
    return source


def find_token(key: str) -> PersonalToken | None:
    """Return the personal token this is, None when there is none, it was revoked or its person is deactivated."""
    if not key or len(key) > _MAX_KEY_LENGTH or not key.isascii():
        return None
    token = (
        PersonalToken.objects.select_related("user")
        .filter(key_hash=hash_key(key), revoked_at=None, user__is_active=True)
        .first()
    )
    if token is not None:
        _note_use(token)
    return token


def _note_use(holder: Source | PersonalToken) -> None:
    now = timezone.now()
    if holder.last_used_at is not None and now - holder.last_used_at < _USE_NOTED_EVERY:
        return
    long_ago = Q(last_used_at=None) | Q(last_used_at__lt=now - _USE_NOTED_EVERY)
    model: type[Source | PersonalToken] = Source if isinstance(holder, Source) else PersonalToken
    model.objects.filter(long_ago, pk=holder.pk).update(last_used_at=now)


class KeyAuthentication(BaseAuthentication):
    """``Authorization: Bearer <key>``: a source is ``request.auth`` of nobody, a token acts as its person."""

    keyword = "Bearer"

    def authenticate(self, request: Request) -> tuple[User | AnonymousUser, Any] | None:
        """Return (user, source or token); None where no Bearer key is given.

        Raises:
            AuthenticationFailed: 401 for a key nobody has.
        """
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != self.keyword.lower():
            return None
        key = key.strip()
        if key.startswith(TOKEN_PREFIX):
            token = find_token(key)
            if token is not None:
                come_through(TOKEN, key=token.pk, label=token.name, person=token.user)
                return token.user, token
        else:
            source = find_source(key)
            if source is not None:
                come_through(SOURCE, key=source.pk, label=source.name)
                return AnonymousUser(), source
        raise AuthenticationFailed("This key is not valid.", "invalid_key")

    def authenticate_header(self, request: Request) -> str:
        """Return what a 401 asks for."""
        return self.keyword


class KeyScheme(OpenApiAuthenticationExtension):
    """Describes the keys in the OpenAPI document."""

    target_class = KeyAuthentication
    name = "key"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """Return the scheme."""
        return {"type": "http", "scheme": "bearer", "description": "Write key of a source, or a personal token."}
