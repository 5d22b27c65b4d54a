"""Nothing privileged happens without a line in the audit log: read from the source, and asked of every address."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client

from contacts.enums import Role
from contacts.models import AuditEntry
from contacts.services.people import create_token
from tests.funnel.conftest import World
from tests.roles.api_calls import API
from tests.roles.page_calls import PAGES
from tests.roles.test_urls import all_calls, cast_of

ROOT = Path(__file__).parents[2]

# Of a session, its key's last use, an answer kept for a retry, or one's language: not what was asked for.
WRITE = re.compile(
    r"\s*(?:INSERT INTO|UPDATE|DELETE FROM|WITH\b.*?\b(?:INSERT INTO|UPDATE|DELETE FROM))"
    r"\s+\"?(?!django_session|usersessions_|contacts_personaltoken|web_)\w",
    re.DOTALL,
)

# Services that somebody calls (they have ``by``) and that leave no line, each with the reason.
WITHOUT_A_LINE: dict[str, str] = {
    **dict.fromkeys(
        (
            "contacts.acts.act_parameters", "contacts.acts.undo_parameters", "contacts.companies.append_changes",
            "contacts.consent.write_entries", "contacts.consent_facts.apply_refusals", "contacts.jobs.order_job",
            "contacts.messages.write_messages", "contacts.suppression.write_suppressions",
            "funnel.making.make_moves", "funnel.handoffs.work", "funnel.sequences.ending.stop_enrolments",
            "funnel.sequences.enrolling.enrol", "contacts.imports.running.run_import",
        ),
        "a step of services that leave the line themselves, or of machines' work",
    ),
    **dict.fromkeys(
        (
            "contacts.company_records.change_company", "contacts.company_records.save_company",
            "contacts.contact_records.change_contact", "contacts.contact_records.save_contact",
            "contacts.record.record_fact", "contacts.tags.tag_contacts", "contacts.tags.untag_contacts",
            "funnel.conversation.log_activity", "funnel.conversation.log_on_handoff",
        ),
        "everyday work: the append-only facts themselves say who",
    ),
    **dict.fromkeys(
        (
            "funnel.claiming.claim_handoff", "funnel.claiming.claim_next", "funnel.handoffs.accept_handoff",
            "funnel.handoffs.return_handoff", "funnel.handoffs.win_handoff", "funnel.outcomes.record_outcome",
            "funnel.releasing.release_handoff", "funnel.stranded.release_all_of",
        ),
        "a rep's own work: each move is a fact of the contact with its rep",
    ),
    **dict.fromkeys(
        (
            "contacts.first_steps.keep_definition", "contacts.first_steps.put_checklist_away",
            "contacts.profiles.save_profile", "contacts.saved_views.change_view",
            "contacts.saved_views.choose_columns", "contacts.saved_views.delete_view",
            "contacts.saved_views.save_view", "funnel.notices.reading.read_all",
            "funnel.notices.reading.read_notification", "funnel.notices.reading.save_wishes",
        ),
        "one's own settings: takes no privilege",
    ),
    **dict.fromkeys(
        (
            "funnel.may_contact.answer_all", "funnel.may_contact.answer_for", "funnel.may_contact.may_contact",
            "funnel.suggestions.suggest_calls",
        ),
        "reads only",
    ),
    **dict.fromkeys(
        ("contacts.imports.receiving.receive_file", "contacts.imports.receiving.save_mapping"),
        "imports nothing yet: starting the import leaves the line",
    ),
    "scoring.runs.start_run": "a trial changes nobody; publishing and rolling back leave theirs",
}  # fmt: skip
# Calls that are answered well and leave no line, each with the reason: by the address's name.
SILENT: dict[str, str] = {
    **dict.fromkeys(
        ("api-company-detail", "api-company-list", "api-contact-detail", "api-contact-list", "api-events"),
        "everyday work: the append-only facts themselves say who",
    ),
    **dict.fromkeys(
        [f"{kind}handoff-{move}" for kind in ("", "api-")
         for move in ("accept", "claim", "claim-next", "log", "outcome", "release", "return", "win")],
        "a rep's own work: each move is a fact of the contact with its rep",
    ),
    **dict.fromkeys(
        ("api-notification-read", "api-notification-read-all", "api-notification-settings", "contacts-columns",
         "contacts-view-restore", "contacts-view-save", "notification-read", "notifications-read", "welcome-dismiss",
         "welcome-recall"),
        "one's own settings: takes no privilege",
    ),
    **dict.fromkeys(
        ("api-backtest", "api-what-if", "definition-what-if"),
        "a trial changes nobody; its row says who ordered it",
    ),
    **dict.fromkeys(
        ("email-hook-revoke", "api-merge-suggestion-dismiss"),
        "number 7 is none of these: an update of no row",
    ),
}  # fmt: skip


def services() -> Iterator[tuple[str, ast.FunctionDef]]:
    """Every function of the service packages at a module's top level, as ``app/module.function``."""
    for app in ("contacts", "scoring", "funnel"):
        for path in sorted((ROOT / app / "services").rglob("*.py")):
            if "demo" in path.parts:
                continue
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts).replace(".services.", ".")
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.FunctionDef):
                    yield f"{module}.{node.name}", node


def known_as(path: str, name: str) -> str:
    """A private name is its module's own."""
    return f"{path.rpartition('.')[0]}.{name}" if name.startswith("_") else name


def names_called(path: str, node: ast.FunctionDef) -> set[str]:
    called = {one.func.id for one in ast.walk(node) if isinstance(one, ast.Call) and isinstance(one.func, ast.Name)}
    decorators = {
        one.func.id for one in node.decorator_list if isinstance(one, ast.Call) and isinstance(one.func, ast.Name)
    }
    # Facts are recorded all day; where one of them is a refusal of mail, that is not what the caller does.
    return {known_as(path, name) for name in called | decorators} - {"record_events"}


def test_every_service_that_somebody_calls_leaves_a_line_or_says_why_not() -> None:
    """A service leaves one by ``@audited``, by ``record_act``, or by calling another one that does."""
    found = dict(services())
    writing = {"audited", "record_act"}
    grown = True
    while grown:
        more = {known_as(path, node.name) for path, node in found.items() if names_called(path, node) & writing}
        grown = bool(more - writing)
        writing |= more
    silent = {
        path
        for path, node in found.items()
        if not node.name.startswith("_")
        and "by" in {argument.arg for argument in node.args.kwonlyargs}
        and node.name not in writing
    }

    assert silent == set(WITHOUT_A_LINE)


@pytest.mark.parametrize("kind", ["pages", "api"])
def test_every_address_that_changes_something_leaves_a_line_or_says_why_not(world: World, kind: str) -> None:
    admin = world.person(Role.ADMIN, "Ada Admin")
    scene = cast_of(world, world.person(Role.REP, "Owning Rep"))
    client = Client()
    if kind == "pages":
        client.force_login(admin)
    else:
        key = create_token(user=admin, name="test", by=None).key
        client = Client(headers={"Authorization": f"Bearer {key}"})
    tables = PAGES if kind == "pages" else API
    silent = set()
    written: list[str] = []

    def note_writes(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        if WRITE.match(str(sql)):
            written.append(str(sql))
        return execute(sql, params, many, context)

    for name, calls in tables.items():
        for call in calls:
            if call.method == "get":
                continue
            before = transaction.savepoint()
            count = AuditEntry.objects.count()
            written.clear()
            how = {"content_type": "application/json"} if kind == "api" else {}
            body = {key: scene.names.get(value.strip("{}"), value) if isinstance(value, str) else value
                    for key, value in (call.body or {}).items()}  # fmt: skip
            with connection.execute_wrapper(note_writes):
                getattr(client, call.method)(scene.url(call), body, **how)
            wrote = AuditEntry.objects.count() > count
            transaction.savepoint_rollback(before)
            if written and not wrote:
                silent.add(name)

    assert silent == {name for name in SILENT if name in tables}
    assert len(all_calls(tables)) > 50
