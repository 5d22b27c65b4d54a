"""manage.py create_source."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from contacts.authentication import find_source
from contacts.models import Source

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("create_source", *arguments, stdout=out)
    return out.getvalue().splitlines()[-1]


def test_the_key_is_alone_on_the_last_line_and_works() -> None:
    source = find_source(run("website", "--scopes", "events:write,contacts:read"))
    assert source is not None
    assert (source.name, source.kind, source.scopes) == ("website", "server", ["events:write", "contacts:read"])


def test_without_scopes_it_may_push() -> None:
    run("website", "--public")
    source = Source.objects.get(name="website")
    assert (source.kind, source.scopes) == ("public", ["events:write"])


def test_only_a_hash_is_kept() -> None:
    key = run("website")
    source = Source.objects.get(name="website")
    assert key not in str([getattr(source, field.attname) for field in source._meta.concrete_fields])
    assert key.startswith(source.key_prefix)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("website", "--scopes", "everything"), "No such scope: everything"),
        (("website", "--public", "--scopes", "contacts:read"), "public key may only"),
        (("taken",), "Name already exists|already exists|There is a source"),
        (("  ",), "needs a name"),
    ],
)
def test_mistakes_are_told_in_one_line(arguments: tuple[str, ...], message: str) -> None:
    run("taken")
    with pytest.raises(CommandError, match=message):
        run(*arguments)
