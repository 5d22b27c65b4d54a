"""manage.py drain: judge what is due, in this process."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from scoring.services.evaluate import drain_due


class Command(BaseCommand):
    """Evaluate due contacts without a worker. Prints how many were judged."""

    help = "Judge the contacts that are due, in this process (no worker needed)."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--until-empty", action="store_true", help="go on until nothing is due")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run one batch, or batches until nothing is left."""
        judged = drain_due(now=timezone.now())
        total = judged
        while judged and options["until_empty"]:
            judged = drain_due(now=timezone.now())
            total += judged
        self.stdout.write(f"{total} contacts judged")
