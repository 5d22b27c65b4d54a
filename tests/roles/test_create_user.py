"""``manage.py create_user``: the person can sign in, holds the role, and the token is theirs."""

from io import StringIO

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from contacts.enums import Role
from contacts.keys import hash_key
from contacts.models import PersonalToken
from contacts.permissions import roles_of

pytestmark = pytest.mark.django_db


def run(*args: str) -> list[str]:
    out = StringIO()
    call_command("create_user", *args, stdout=out, stderr=StringIO())
    return out.getvalue().splitlines()


@pytest.mark.parametrize("role", Role.values)
def test_a_given_password_opens_the_account_with_its_role(role: str) -> None:
    lines = run("Ann.Rep@Example.com", "--role", role, "--password", "correct horse battery")

    person = authenticate(username="ann.rep@example.com", password="correct horse battery")
    assert isinstance(person, User)
    assert person.email == "ann.rep@example.com"
    assert roles_of(person) == {role}
    assert "correct horse battery" not in "\n".join(lines)


def test_a_password_is_generated_and_printed_once_when_none_is_given() -> None:
    lines = run("ann@example.com", "--role", "rep")

    (line,) = [line for line in lines if line.startswith("Password")]
    assert authenticate(username="ann@example.com", password=line.rsplit(" ", 1)[1]) is not None


def test_the_token_stands_alone_on_the_last_line_and_only_its_hash_is_kept() -> None:
    key = run("ann@example.com", "--role", "rep", "--token")[-1]

    token = PersonalToken.objects.get(key_hash=hash_key(key))
    assert token.user.email == "ann@example.com"
    assert key.startswith(token.key_prefix)
    assert len(token.key_prefix) < len(key) / 2


def test_a_taken_address_is_refused_with_one_line() -> None:
    run("ann@example.com", "--role", "rep")

    with pytest.raises(CommandError, match=r"^ann@example\.com has an account already\.$"):
        run("ANN@example.com", "--role", "admin")
    assert roles_of(User.objects.get()) == {Role.REP}


@pytest.mark.parametrize(("email", "role"), [("no-address", "rep"), ("ann@example.com", "owner")])
def test_a_wrong_address_or_role_creates_nobody(email: str, role: str) -> None:
    with pytest.raises(CommandError):
        run(email, "--role", role)
    assert not User.objects.exists()
