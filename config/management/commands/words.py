"""`manage.py words`: the catalogues of translated words, for whoever develops Ripen."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser


class Command(BaseCommand):
    """Takes the words out of code and templates into the catalogues, and compiles these."""

    help = "Bring the catalogues of translated words in step with the code; --check only says what is missing."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """`--check`: change nothing; exit 1 with a line for each word that has no translation."""
        parser.add_argument("--check", action="store_true", help="change nothing, only say what is missing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run."""
        try:
            from config import words
        except ModuleNotFoundError as error:
            raise CommandError(f"{error.name} is missing: this command needs the development requirements") from error
        if not options["check"]:
            words.update_catalogues()
        missing = words.missing_words()
        for line in missing:
            self.stdout.write(line)
        if missing and options["check"]:
            raise CommandError(f"{len(missing)} words are not translated")
