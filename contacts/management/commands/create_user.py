"""``manage.py create_user``: somebody who may sign in."""

import secrets
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from contacts.enums import Role
from contacts.services.people import create_person, create_token


class Command(BaseCommand):
    help = "Create a person with a role; prints a generated password, and a personal API token with --token."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email", metavar="EMAIL", help="the person's e-mail address: their login")
        parser.add_argument("--role", required=True, choices=Role.values, help="what they may do")
        parser.add_argument("--password", help="their password; without it one is generated and printed once")
        parser.add_argument(
            "--token",
            action="store_true",
            help="print a personal API token, alone on the last line; it may do what the person may do",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Create the person (and the token) or fail with one line and exit code 1."""
        given: str | None = options["password"]
        password = given or secrets.token_urlsafe(15)
        try:
            with transaction.atomic():
                person = create_person(email=options["email"], role=Role(options["role"]), password=password, by=None)
                token = create_token(user=person, name="Made on the shell", by=None) if options["token"] else None
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        self.stdout.write(f"Created {person.email} as {Role(options['role']).label}.")
        if given is None:
            self.stdout.write(f"Password (shown once): {password}")
        else:
            self._advise(given, person)
        if token is not None:
            self.stdout.write("Personal API token (shown once):")
            self.stdout.write(token.key)

    def _advise(self, password: str, person: Any) -> None:
        """Warn about a weak password, on stderr. Whoever has the shell decides."""
        try:
            validate_password(password, person)
        except ValidationError as error:
            self.stderr.write(self.style.WARNING(f"Warning: weak password. {' '.join(error.messages)}"))
