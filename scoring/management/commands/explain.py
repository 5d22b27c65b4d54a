"""``manage.py explain``: why one contact stands where it stands."""

import json
from argparse import ArgumentTypeError
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from contacts.enums import IdentityKind
from contacts.models import Contact, Identity
from scoring.models import Definition
from scoring.selectors import find_definition
from scoring.services.explain import explain_contact


def read_moment(text: str) -> datetime:
    """An aware datetime from ISO 8601; naive means UTC, a day alone its beginning."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no ISO 8601 time") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def find_contact(name: str) -> Contact:
    """The contact with this id or e-mail address; of one that was merged away, the contact it became.

    Raises:
        Contact.DoesNotExist: when there is none.
    """
    text = name.strip()
    if text.isdecimal() and len(text) < 19:
        contact = Contact.objects.select_related("merged_into").get(pk=int(text))
    else:
        identities = Identity.objects.select_related("contact__merged_into")
        found = identities.filter(kind=IdentityKind.EMAIL, value=text.lower()).first()
        if found is None:
            raise Contact.DoesNotExist
        contact = found.contact
    return contact.merged_into or contact


class Command(BaseCommand):
    """Print the why of one contact: sentence, scores, ledger, criteria, and what comes next."""

    help = "Explain why a contact stands where it stands, at any moment and under any definition."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("contact", metavar="CONTACT", help="id or e-mail address")
        parser.add_argument("--at", type=read_moment, metavar="ISO", help="the moment (default: now; naive means UTC)")
        parser.add_argument("--definition", metavar="KEY", help="judge under this one (key or key@version) all along")
        parser.add_argument("--json", action="store_true", help="the explanation as JSON, as the API gives it")

    def handle(self, *args: Any, **options: Any) -> None:
        """Explain, or fail with one line."""
        try:
            contact = find_contact(options["contact"])
            definition = find_definition(options["definition"]) if options["definition"] else None
        except Contact.DoesNotExist:
            raise CommandError(f"There is no contact {options['contact']!r}.") from None
        except Definition.DoesNotExist as error:
            raise CommandError(str(error)) from None
        why = explain_contact(contact_id=contact.pk, at=options["at"] or timezone.now(), definition=definition)
        if options["json"]:
            self.stdout.write(json.dumps(why, indent=2, ensure_ascii=False))
        else:
            self.stdout.write("\n".join(_told(contact, why)))


def _told(contact: Contact, why: Mapping[str, Any]) -> Iterator[str]:
    """The explanation as lines of text."""
    scores = why["scores"]
    yield f"{contact.display_name} (contact {contact.pk}), at {_when(why['at'])} under {why['definition']}"
    yield why["sentence"]
    yield ""
    yield f"Engagement {scores['engagement']:.3f}"
    yield from _table(
        [(_when(line["occurred_at"]), _ledger_label(line), _product(line), _points(line)) for line in why["ledger"]]
    )
    yield f"Fit {scores['fit']:g} (threshold {scores['fit_threshold']:g})"
    yield from _table([("", line["label"], str(line["value"]), _points(line)) for line in why["fit_ledger"]])
    yield ""
    for stage in why["criteria"]:
        yield from _stage(stage, is_current=stage["stage"] == why["stage"]["key"])
    for question in why["questions"]:
        yield f"To ask: {question['question']}"
    following = why["next_stage"]
    if following:
        yield f"Next, {following['label']}: {'; '.join(following['unmet']) or 'its criteria are met'}"
    change = why["next_change"]
    if change:
        yield f"If nothing happens: {change['label']} at {_when(change['at'])}"


def _stage(stage: Mapping[str, Any], *, is_current: bool) -> Iterator[str]:
    yield f"{stage['label']}{'  <- stands here' if is_current else ''}"
    for name in ("enter", "keep"):
        if stage[name]:
            yield from _node(stage[name], depth=1, prefix=f"{name}: ")


def _node(node: Mapping[str, Any], *, depth: int, prefix: str = "") -> Iterator[str]:
    mark = "\N{CHECK MARK}" if node["met"] else "\N{BALLOT X}"
    found = f" ({node['found']})" if node["found"] else ""
    yield f"{'  ' * depth}{mark} {prefix}{node['text']}{found}"
    for child in node["children"]:
        yield from _node(child, depth=depth + 1)


def _ledger_label(line: Mapping[str, Any]) -> str:
    if line["cap"]:
        return str(line["label"])
    return f"{line['label']} [{line['kind']}, event {line['event']}]"


def _product(line: Mapping[str, Any]) -> str:
    return "" if line["cap"] else f"{line['raw']:g} x {line['decay']:.4f}"


def _points(line: Mapping[str, Any]) -> str:
    return f"{line['points']:+.3f}"


def _when(iso: str | None) -> str:
    return f"{datetime.fromisoformat(iso).astimezone(UTC):%Y-%m-%d %H:%M:%S}Z" if iso else ""


def _table(rows: Sequence[tuple[str, str, str, str]]) -> Iterator[str]:
    """Aligned columns, the last two to the right; nothing for no rows."""
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(4)]
    for row in rows:
        yield (f"  {row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]:>{widths[2]}}  {row[3]:>{widths[3]}}".rstrip())
