"""One writer for each table that others only read: who writes facts and who writes verdicts.

Read from the source: every ORM write that begins at the model's manager, every ``save`` or ``delete`` of something
named after it, and every SQL text that inserts, updates, deletes, copies or truncates its table.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
APPS = ("config", "contacts", "scoring", "funnel")
WRITES = frozenset(
    {
        "create", "acreate", "get_or_create", "update_or_create", "bulk_create", "bulk_update", "update", "delete",
        "raw", "_raw_delete",
    }
)  # fmt: skip
SQL_WRITE = r"\b(?:insert\s+into|update(?:\s+only)?|delete\s+from|copy|truncate(?:\s+table)?)\s+\"?{table}\"?\b"


@dataclass(frozen=True)
class Write:
    """One place that writes: the module's path, the line, and for ``update(...)`` the fields it names."""

    path: str
    line: int
    fields: frozenset[str] | None = None


def root_of(node: ast.expr) -> tuple[str, list[str]]:
    """The name a call chain begins with and the attributes on the way: ``Model.objects.filter().update``."""
    names: list[str] = []
    while True:
        if isinstance(node, ast.Call):
            node = node.func
        elif isinstance(node, ast.Attribute):
            names.append(node.attr)
            node = node.value
        elif isinstance(node, ast.Subscript):
            node = node.value
        else:
            return (node.id if isinstance(node, ast.Name) else ""), names[::-1]


def find_writes(source: str, path: str, *, model: str, table: str) -> Iterator[Write]:
    """Find every write of ``model`` in one module's source."""
    sql = re.compile(SQL_WRITE.format(table=table), re.IGNORECASE)
    instance = re.compile(rf"(^|_){model.lower()}$")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and sql.search(node.value):
            yield Write(path, node.lineno)
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        root, names = root_of(node.func)
        if root == model and "objects" in names and names[-1] in WRITES:
            named = {keyword.arg for keyword in node.keywords if keyword.arg}
            yield Write(path, node.lineno, frozenset(named) if names[-1] == "update" else None)
        elif names[-1] in {"save", "delete"} and instance.search(names[-2] if len(names) > 1 else root):
            yield Write(path, node.lineno)


def writes_of(model: str, table: str) -> list[Write]:
    found: list[Write] = []
    for app in APPS:
        for file in sorted((ROOT / app).rglob("*.py")):
            path = file.relative_to(ROOT).as_posix()
            if "/migrations/" not in path:
                found += find_writes(file.read_text(), path, model=model, table=table)
    return found


def test_only_scoring_services_write_standings_and_only_funnel_services_their_owner() -> None:
    writes = writes_of("Standing", "contacts_standing")

    elsewhere = [
        write
        for write in writes
        if not write.path.startswith("scoring/services/")
        and not (write.path.startswith("funnel/services/") and write.fields == frozenset({"owner"}))
    ]
    assert elsewhere == []
    assert {write.path.split("/")[0] for write in writes} == {"scoring", "funnel"}, "the search finds the writers"


def test_only_contacts_services_write_events() -> None:
    writes = writes_of("Event", "contacts_event")

    assert [write for write in writes if not write.path.startswith("contacts/services/")] == []
    assert writes, "the search finds the writers"


@pytest.mark.parametrize(
    "source",
    [
        "Standing.objects.filter(pk=1).update(stage='lead')",
        "Standing.objects.create(stage='lead')",
        "(Standing.objects.filter(a=1).exclude(b=2)\n.bulk_update(rows, ['stage']))",
        "standing.save()",
        "contact.standing.save(update_fields=['stage'])",
        "cursor.execute('UPDATE contacts_standing SET stage = %s')",
        'SQL = """\nINSERT INTO "contacts_standing" VALUES (1)"""',
        "cursor.copy_expert('COPY contacts_standing (contact_id) FROM STDIN', file)",
    ],
)
def test_the_search_sees_a_write_in_every_form(source: str) -> None:
    assert len(list(find_writes(source, "anywhere.py", model="Standing", table="contacts_standing"))) == 1


@pytest.mark.parametrize(
    "source",
    [
        "Standing.objects.filter(pk=1).exists()",
        "cursor.execute('SELECT * FROM contacts_standing')",
        "Event.objects.create()",
        "understanding.save()",
        "{}.update(stage='lead')",
    ],
)
def test_the_search_takes_no_read_for_a_write(source: str) -> None:
    assert list(find_writes(source, "anywhere.py", model="Standing", table="contacts_standing")) == []


def test_corrections_are_appended_in_one_place_and_never_changed() -> None:
    writes = writes_of("EventCorrection", "contacts_eventcorrection")

    # They go with the person who is erased, and in no other way.
    allowed = {"contacts/services/corrections.py": "INSERT INTO", "contacts/services/erasing.py": "DELETE FROM"}
    assert {write.path for write in writes} == set(allowed)
    for path, statement in allowed.items():
        text = (ROOT / path).read_text()
        assert re.findall(r"(INSERT INTO|DELETE FROM|UPDATE) contacts_eventcorrection\b", text) == [statement]


# The demo writes the history of its handoffs as it would have been.
MAKERS = {"funnel/services/making.py", "funnel/services/demo/handing.py"}
MOVED = {"state", "claimed_by", "claimed_by_id", "assigned_to", "assigned_to_id", "moves_made"}
SETS = re.compile(r"UPDATE funnel_handoff\b[^;]*?\bSET\b(.*?)(?:\bFROM\b|\bWHERE\b|$)", re.DOTALL)


def test_only_making_moves_a_handoff() -> None:
    """Whose it is and what state it is in change with their row in the chain, or not at all."""
    writes = writes_of("Handoff", "funnel_handoff")

    for write in writes:
        if write.path in MAKERS:
            continue
        # Statements of SQL and bulk_update are looked at below.
        assert write.fields is None or not write.fields & MOVED, write
    for app in APPS:
        for file in sorted((ROOT / app).rglob("*.py")):
            path = file.relative_to(ROOT).as_posix()
            if path in MAKERS or "/migrations/" in path:
                continue
            text = file.read_text()
            for columns in SETS.findall(text):
                named = {part.split("=")[0].strip() for part in re.split(r",(?![^(]*\))", columns)}
                assert not named & MOVED, f"{path} sets {named & MOVED}"
            for call in ast.walk(ast.parse(text)):
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
                    root, names = root_of(call.func)
                    if root == "Handoff" and "objects" in names and names[-1] in {"create", "bulk_create", "delete"}:
                        pytest.fail(f"{path}:{call.lineno} makes or deletes handoffs")
                    if root == "Handoff" and names[-1] == "bulk_update":
                        assert not MOVED & {
                            str(name.value) for name in ast.walk(call) if isinstance(name, ast.Constant)
                        }, path
    assert {write.path for write in writes} >= MAKERS, "the search finds the writers"


def test_the_chain_of_owners_is_appended_in_one_place_and_only_its_notes_ever_go() -> None:
    writes = [write for write in writes_of("HandoffMove", "funnel_handoffmove") if write.path not in MAKERS]

    assert [(write.path, write.fields) for write in writes] == [("funnel/services/erasing.py", frozenset({"note"}))]


def test_the_search_sees_what_a_statement_sets() -> None:
    sql = "UPDATE funnel_handoff AS handoff SET note = coalesce(a, 'b'), state = 'won' WHERE handoff.state = 'offered'"

    assert [part.split("=")[0].strip() for part in re.split(r",(?![^(]*\))", SETS.findall(sql)[0])] == ["note", "state"]
