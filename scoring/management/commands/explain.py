"""``manage.py explain``: why one contact stands where it stands."""

import json
from argparse import ArgumentTypeError
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from contacts.models import Contact
from contacts.selectors.naming import find_contact
from scoring.models import Definition
from scoring.selectors import find_definition
from scoring.services.contrast import contrast_contacts
from scoring.services.explain import LEDGER_LINES, explain_contact


def read_moment(text: str) -> datetime:
    """An aware datetime from ISO 8601; naive means UTC, a day alone its beginning."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no ISO 8601 time") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class Command(BaseCommand):
    """Print the why of one contact: sentence, scores, ledger, criteria, and what comes next."""

    help = "Explain why a contact stands where it stands, at any moment and under any definition."

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("contact", metavar="CONTACT", help="id or e-mail address")
        parser.add_argument("--at", type=read_moment, metavar="ISO", help="the moment (default: now; naive means UTC)")
        parser.add_argument("--definition", metavar="KEY", help="judge under this one (key or key@version) all along")
        parser.add_argument("--compare-with", metavar="OTHER", help="another contact, side by side with this one")
        parser.add_argument("--every-event", action="store_true", help="a ledger line for each event, however many")
        parser.add_argument("--json", action="store_true", help="the explanation as JSON, as the API gives it")

    def handle(self, *args: Any, **options: Any) -> None:
        """Explain, or fail with one line."""
        try:
            name = options["contact"]
            contact = find_contact(name)
            name = options["compare_with"]
            other = find_contact(name) if name else None
            definition = find_definition(options["definition"]) if options["definition"] else None
        except Contact.DoesNotExist:
            raise CommandError(f"There is no contact {name!r}.") from None
        except Definition.DoesNotExist as error:
            raise CommandError(str(error)) from None
        at = options["at"] or timezone.now()
        most = None if options["every_event"] else LEDGER_LINES
        why = explain_contact(contact_id=contact.pk, at=at, definition=definition, ledger_lines=most)
        if other is not None:
            why["contrast"] = contrast_contacts(contact_id=contact.pk, other_id=other.pk, at=at, definition=definition)
        if options["json"]:
            self.stdout.write(json.dumps(why, indent=2, ensure_ascii=False))
            return
        told = _told(contact, why)
        self.stdout.write("\n".join([*told, "", *_compared(why["contrast"])] if other else told))


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
    yield from _likelihood(why["likelihood"])
    yield f"Fit {scores['fit']:g} (threshold {scores['fit_threshold']:g})"
    yield from _table([("", line["label"], str(line["value"]), _points(line)) for line in why["fit_ledger"]])
    yield ""
    for stage in why["criteria"]:
        yield from _stage(stage, is_current=stage["stage"] == why["stage"]["key"])
    if why["flag"]:
        yield why["flag"]
    for question in why["questions"]:
        yield f"To ask: {question['question']}"
    following = why["next_stage"]
    if following:
        yield f"Next, {following['label']}: {'; '.join(following['unmet']) or 'its criteria are met'}"
        if following["smallest_step"]:
            yield f"  {following['smallest_step']['sentence']}"
    change = why["next_change"]
    if change:
        yield f"If nothing happens: {change['label']} at {_when(change['at'])}"


def _stage(stage: Mapping[str, Any], *, is_current: bool) -> Iterator[str]:
    yield f"{stage['label']}{'  <- stands here' if is_current else ''}"
    for name in ("enter", "keep"):
        if stage[name]:
            yield from _node(stage[name], depth=1, prefix=f"{name}: ")


def _node(node: Mapping[str, Any], *, depth: int, prefix: str = "") -> Iterator[str]:
    mark = _mark(node["met"])
    found = f" ({node['found']})" if node["found"] else ""
    yield f"{'  ' * depth}{mark} {prefix}{node['text']}{found}"
    for child in node["children"]:
        yield from _node(child, depth=depth + 1)


def _likelihood(found: Mapping[str, Any] | None) -> Iterator[str]:
    """The learned score with its factors; nothing without one."""
    if found is None:
        return
    auc = f", AUC {found['auc']:.2f}" if found["auc"] is not None else ""
    use = "a criterion of this definition" if found["criterion"] else "beside the score, no criterion"
    yield f"Likelihood of buying {found['likelihood']:.2f} ({use}{auc})"
    yield from _table([("", line["label"], "", f"{line['log_odds']:+.3f}") for line in found["factors"]])


def _compared(found: Mapping[str, Any]) -> Iterator[str]:
    """Two contacts side by side as lines of text."""
    one, two = found["contact"], found["other"]
    yield f"{one['name']} compared with {two['name']}"
    yield found["sentence"]
    for side in (one, two):
        scores = side["scores"]
        yield f"  {side['name']}: engagement {scores['engagement']:g}, fit {scores['fit']:g}. {side['sentence']}"
    for row in found["criteria"]:
        first, second = (f"{_mark(row[name]['met'])} {row[name]['found']}".rstrip() for name in ("contact", "other"))
        yield f"  {row['label']}, {row['criteria']}: {row['text']}: {first} | {second}"
    yield from _table(
        [
            ("", row["label"], *(f"{row[name]['events']} events {_points(row[name])}" for name in ("contact", "other")))
            for row in found["signals"]
        ]
    )
    for row in found["fit"]:
        first, second = (f"{row[name]['value'] or 'unknown'} {_points(row[name])}" for name in ("contact", "other"))
        yield f"  Fit, {row['label']}: {first} | {second}"


def _mark(met: bool) -> str:
    return "\N{CHECK MARK}" if met else "\N{BALLOT X}"


def _ledger_label(line: Mapping[str, Any]) -> str:
    if line["cap"]:
        return str(line["label"])
    if line["event"] is None:
        return f"{line['label']} [{line['events']:,} further events]"
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
