"""Secrets: made at random, kept as hashes, and in no line of any log."""

import hashlib
import io
import json
from collections.abc import Iterator

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.contrib.auth.hashers import PBKDF2PasswordHasher, check_password, make_password
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client
from pytest_django.fixtures import Settings

from config import settings as product
from config.logs import configure, logging_settings
from config.passwords import KeyedPasswordHasher
from config.sealing import CannotOpen
from contacts.enums import Role, Scope
from contacts.keys import HOOK_PREFIX, SOURCE_PREFIX, TOKEN_PREFIX, hash_key, mint_key
from contacts.models import AuditEntry, PersonalToken, Source
from contacts.services.email_hooks import create_hook
from contacts.services.invitations import invite_person
from contacts.services.people import create_token
from contacts.services.sources import create_source
from funnel.services.hooks.endpoints import create_endpoint, secret_of
from tests.factories import make_user
from tests.funnel.conftest import World

CANARY = "canary-9f3b7"


def test_passwords_are_kept_by_a_slow_hash() -> None:
    assert product.PASSWORD_HASHERS[0] == "config.passwords.KeyedPasswordHasher"
    assert KeyedPasswordHasher.iterations == PBKDF2PasswordHasher.iterations, "Django raises it with every release"
    assert PBKDF2PasswordHasher.iterations >= 600_000


def test_a_password_cannot_be_tried_out_without_the_key(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = product.PASSWORD_HASHERS
    kept = make_password("quite-a-long-passphrase")
    assert len(kept) <= 128, "what the column holds"
    assert check_password("quite-a-long-passphrase", kept)
    assert not check_password("quite-a-long-passphrasf", kept)

    settings.HASH_KEY = b"another installation's"

    assert not check_password("quite-a-long-passphrase", kept)


def test_a_password_hashed_before_there_was_a_key_signs_in_and_is_hashed_anew(db: None, settings: Settings) -> None:
    settings.PASSWORD_HASHERS = product.PASSWORD_HASHERS
    person = make_user(Role.REP, email="old@ripen.test", username="old@ripen.test")
    User.objects.filter(pk=person.pk).update(password=make_password("quite-a-long-passphrase", hasher="pbkdf2_sha256"))
    for _ in range(2):
        answer = Client().post("/account/login/", {"login": person.email, "password": "quite-a-long-passphrase"})
        assert answer.status_code == 302
        person.refresh_from_db()
        assert person.password.startswith("pbkdf2_sha256_keyed$")


def test_seeds_of_second_factors_are_sealed(db: None, settings: Settings) -> None:
    person = make_user(Role.REP, email="two@ripen.test", username="two@ripen.test")
    secret = generate_totp_secret()
    TOTP.activate(person, secret)
    codes = RecoveryCodes.activate(person).get_unused_codes()
    kept = str(list(Authenticator.objects.values_list("data", flat=True)))
    assert secret not in kept
    assert kept.count("sealed:") == 2
    wrapped = Authenticator.objects.get(type="recovery_codes").wrap()
    assert wrapped.get_unused_codes() == codes
    assert wrapped.validate_code(codes[0])
    settings.HASH_KEY = b"another installation's"
    with pytest.raises(CannotOpen):
        Authenticator.objects.get(type="totp").wrap().validate_code("000000")


def test_keys_are_random_and_long() -> None:
    for kind in (SOURCE_PREFIX, TOKEN_PREFIX, HOOK_PREFIX):
        keys = {mint_key(kind).key for _ in range(200)}
        assert len(keys) == 200
        assert all(len(key) - len(kind) == 43 for key in keys), "256 bits"
    minted = mint_key(SOURCE_PREFIX)
    assert minted.key_hash == hash_key(minted.key) == hashlib.sha256(minted.key.encode()).hexdigest()
    assert minted.key not in (minted.prefix, minted.key_hash)


def test_of_a_key_only_its_hash_and_its_beginning_are_stored(world: World) -> None:
    rita = world.person(Role.REP, "Rita Rep")
    token, source = create_token(user=rita, name="t", by=None), create_source(name="s", scopes=[], by=None)
    for row, key in (
        (PersonalToken.objects.filter(pk=token.token.pk).values().get(), token.key),
        (Source.objects.filter(pk=source.source.pk).values().get(), source.key),
    ):
        stored = " ".join(map(str, row.values()))
        assert key not in stored
        assert str(row["key_hash"]) in stored
        assert len(row["key_prefix"]) == 12


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """All that the product's logging writes, at its most talkative."""
    from django.conf import settings

    stream = io.StringIO()
    own = logging_settings(level="DEBUG", readable=False)
    own["handlers"]["stderr"]["stream"] = stream
    configure(own)
    yield stream
    configure(settings.LOGGING)


def test_no_secret_and_no_body_gets_into_the_logs(world: World, lines: io.StringIO) -> None:
    admin = world.person(Role.ADMIN, "Ada Admin")
    admin.set_password(f"right-{CANARY}-password")
    admin.save()
    totp = generate_totp_secret()
    source = create_source(name="crm", scopes=list(Scope), by=admin)
    token = create_token(user=admin, name="laptop", by=admin)
    mails = create_hook(source=source.source, provider="postmark", by=admin)
    secret = secret_of(create_endpoint(url="https://hooks.example/", by=admin, now=world.now))
    invitation = invite_person(email=f"{CANARY}@ripen.example", roles=[Role.REP], by=admin, now=world.now)
    signed = invitation.link.rstrip("/").rpartition("/")[2]
    nobody, keyed = Client(raise_request_exception=False), Client(headers={"Authorization": f"Bearer {source.key}"})

    nobody.post("/account/login/", {"login": f"{CANARY}@ripen.example", "password": f"wrong-{CANARY}"})
    nobody.post("/account/login/", {"login": admin.email, "password": f"wrong-{CANARY}"})
    nobody.post("/account/login/", {"login": admin.email, "password": f"right-{CANARY}-password"})
    TOTP.activate(admin, totp)
    Client().get(f"/invitation/{signed}/")
    Client().post("/account/password/reset/", {"email": admin.email})
    reset = next(word for word in str(mail.outbox[-1].body).split() if "/password/reset/key/" in word)
    Client().get("/" + reset.split("/", 3)[3])
    event = {"message_id": CANARY, "kind": "form_submitted", "contact": {"email": f"{CANARY}@acme.example"},
             "properties": {"text": CANARY}}  # fmt: skip
    keyed.post("/api/v1/events/", event, content_type="application/json")
    keyed.post("/api/v1/events/", json.dumps(event)[:-3], content_type="application/json")
    keyed.post("/api/v1/contacts/", {"email": CANARY, "stage": CANARY}, content_type="application/json")
    Client().post(f"/hooks/email/postmark/{mails.token}", {"From": f"{CANARY}@acme.example", "TextBody": CANARY},
                  content_type="application/json")  # fmt: skip
    Client().get(f"/api/v1/contacts/?q={CANARY}", headers={"Authorization": f"Bearer {token.key}"})
    Client().get("/api/v1/contacts/", headers={"Authorization": f"Bearer {source.key[:-1]}"})
    Client().get(f"/f/{mails.token}/?email={CANARY}")

    said = lines.getvalue()
    assert len(said.splitlines()) >= 20
    keys = [source.key, token.key, mails.token, secret, totp, signed, reset.rstrip("/").rpartition("/")[2]]
    assert [text for text in (CANARY, *keys, source.key[:-1]) if text in said] == []
    kept = " ".join(str(value) for row in AuditEntry.objects.values() for value in row.values())
    assert AuditEntry.objects.count() >= 6
    assert [text for text in (CANARY, *keys) if text in kept] == []
    assert User.objects.filter(pk=admin.pk).exists()
