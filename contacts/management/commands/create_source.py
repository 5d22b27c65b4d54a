"""Create a source and print its write key."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from contacts.enums import Scope
from contacts.services.sources import create_source


class Command(BaseCommand):
    """`manage.py create_source NAME [--scopes ...] [--public]`: the key is alone on the last line of stdout."""

    help = "Create a source. Its write key is printed once, alone on the last line of stdout."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="what the integration is called")
        parser.add_argument(
            "--scopes",
            default=Scope.EVENTS_WRITE.value,
            help=f"what the key may do, separated by commas: {', '.join(Scope.values)} (default: %(default)s)",
        )
        parser.add_argument("--public", action="store_true", help="the key is used in browsers, where anybody reads it")
        parser.add_argument("--channel", default="", help="where contacts who first come by it count as coming from")

    def handle(self, *, name: str, scopes: str, public: bool, channel: str, **options: Any) -> None:
        wanted = [scope.strip() for scope in scopes.split(",") if scope.strip()]
        try:
            new = create_source(name=name, scopes=wanted, public=public, channel=channel, by=None)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        if options["verbosity"] > 0:
            self.stdout.write(
                f"Source “{new.source.name}” may {', '.join(new.source.scopes)}. Its key, shown only now:"
            )
        self.stdout.write(new.key)
