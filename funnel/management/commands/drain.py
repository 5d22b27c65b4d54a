"""``manage.py drain``: judge what is due and draw the consequences, in this process."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from funnel.services.consequences import draw_consequences, reconcile_standings
from funnel.services.counting import count_due
from scoring.services.evaluate import drain_due


class Command(BaseCommand):
    """Judge due contacts, bring their handoffs in line and count them, without a worker."""

    help = "Judge the contacts that are due and draw the consequences, in this process (no worker needed)."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--until-empty", action="store_true", help="go on until nothing is due")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run one batch of each, or batches until nothing is left; print how many judgements were made."""
        judged = total = drain_due(now=timezone.now(), clock=timezone.now)
        drawn = draw_consequences(now=timezone.now())
        # A consequence may be a fact (an offer withdrawn), and so make a contact due once more.
        while options["until_empty"] and (judged or drawn or reconcile_standings(now=timezone.now())):
            judged = drain_due(now=timezone.now(), clock=timezone.now)
            drawn = draw_consequences(now=timezone.now())
            total += judged
        while count_due(now=timezone.now()) and options["until_empty"]:
            pass
        self.stdout.write(f"{total} contacts judged")
