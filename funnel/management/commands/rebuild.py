"""``manage.py rebuild``: recompute what is derived from the facts."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from contacts.models import Contact
from contacts.selectors.naming import find_contact
from funnel.services.counting import recount_all
from scoring.services.rebuild import rebuild_contacts


class Command(BaseCommand):
    """Recompute standings and transitions from the facts; what turns out different is corrected.

    With everybody's, the funnel's figures are counted anew, too; with one contact's, the drain counts what changed.
    """

    help = "Throw derived rows away and recompute them from the facts: of all contacts, or of one."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--contact", metavar="ID", help="only this contact, by id or e-mail address")

    def handle(self, *args: Any, **options: Any) -> None:
        """Rebuild and print how many contacts were recomputed."""
        chosen = None
        if options["contact"]:
            try:
                chosen = [find_contact(options["contact"]).pk]
            except Contact.DoesNotExist:
                raise CommandError(f"There is no contact {options['contact']!r}.") from None
        number = rebuild_contacts(contact_ids=chosen, now=timezone.now())
        if chosen is None:
            recount_all(now=timezone.now())
        self.stdout.write(f"{number} contacts rebuilt")
