"""What `manage.py up` does before it serves: static files, demo users, demo data."""

import hashlib
import json
import secrets
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Final

from django.apps import apps
from django.contrib.auth.models import User
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command, get_commands
from django.db import transaction

from config.local.layout import Layout
from contacts.enums import Role
from contacts.services.people import create_person

DEMO_PEOPLE: Final = (
    ("marketer@demo.example", "Mira", "Marketer", Role.MARKETER),
    ("rep@demo.example", "Rhea", "Rep", Role.REP),
    ("rep2@demo.example", "Ravi", "Rep", Role.REP),
    ("manager@demo.example", "Mona", "Manager", Role.MANAGER),
    ("admin@demo.example", "Ada", "Admin", Role.ADMIN),
)


def collect_static(layout: Layout) -> bool:
    """Collect static files when any has changed since the last time; True when it was done."""
    stamp = layout.root / "static.stamp"
    digest = _static_digest()
    if stamp.exists() and stamp.read_text() == digest:
        return False
    call_command("collectstatic", interactive=False, clear=True, verbosity=0)
    stamp.write_text(digest)
    return True


def _static_digest() -> str:
    found = hashlib.sha256()
    for finder in get_finders():
        for name, storage in finder.list([]):
            stat = Path(storage.path(name)).stat()
            found.update(f"{name}:{stat.st_size}:{stat.st_mtime_ns}\n".encode())
    return found.hexdigest()


def demo_logins(layout: Layout) -> dict[str, str]:
    """E-mail -> password of the demo users, one a role and two reps; made on the first start of a state folder."""
    if layout.demo_logins.exists():
        logins: dict[str, str] = json.loads(layout.demo_logins.read_text())
        return logins
    logins = {email: secrets.token_urlsafe(9) for email, *_ in DEMO_PEOPLE}
    with transaction.atomic():
        for email, first_name, last_name, role in DEMO_PEOPLE:
            person = User.objects.filter(username=email).first()
            if person is None:
                person = create_person(email=email, role=role, password=logins[email], by=None)
            else:
                # A state folder whose note was lost keeps its people and gets new passwords.
                person.set_password(logins[email])
            person.first_name, person.last_name = first_name, last_name
            person.save()
        # Inside the transaction: no user without a noted password, no note without its user.
        _write_private(layout.demo_logins, json.dumps(logins, indent=1))
    return logins


def load_demo(layout: Layout) -> Iterator[str]:
    """Fill an installation with demo data on its first start, yielding a line for each step."""
    marker = layout.root / "demo_data.json"
    commands = get_commands()
    contacts = apps.get_model("contacts", "Contact").objects
    if marker.exists() or "seed_demo" not in commands or contacts.exists():
        return
    yield "Filling in demo data, once ..."
    call_command("seed_demo", verbosity=0, stdout=StringIO())
    if "drain" in commands:
        yield "Judging it ..."
        call_command("drain", until_empty=True, verbosity=0, stdout=StringIO())
    _write_private(marker, "{}")


def _write_private(path: Path, text: str) -> None:
    fresh = path.with_name(f"{path.name}.new")
    fresh.touch(mode=0o600)
    fresh.chmod(0o600)
    fresh.write_text(text)
    fresh.replace(path)
