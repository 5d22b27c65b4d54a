"""The tree keeps its shape: small files, no stray modules, no foreign names, one place for the environment."""

import ast
import importlib.util
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.env import BASE_DIR

APPS = ("config", "contacts", "scoring", "funnel")
LONGEST = 400
# In halves, so that this file does not name what it looks for.
_HALVES = (("pypi", ".org"), ("python", "hosted"), ("npm", "js"), ("debian", ".org"), ("docker", ".io"))
REGISTRIES = tuple("".join(halves) for halves in _HALVES)
WORK_WORDS = ("TO" + "DO", "FIX" + "ME", "X" * 3, "NotImplemented" + "Error")


def tracked() -> list[Path]:
    """Every file of the project that is not ignored, whether committed yet or not."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0:
        return [path for name in listed.stdout.splitlines() if (path := BASE_DIR / name).is_file()]
    skipped = {".venv", ".git", ".ripen", "__pycache__", "node_modules"}
    return [path for path in BASE_DIR.rglob("*") if path.is_file() and not skipped & set(path.parts)]


def named(*suffixes: str) -> Iterator[Path]:
    return (path for path in tracked() if path.suffix in suffixes)


def relative(path: Path) -> str:
    return path.relative_to(BASE_DIR).as_posix()


def test_no_file_asks_to_be_split() -> None:
    long = {
        relative(path): lines
        for path in named(".py", ".html", ".css", ".js")
        if "migrations" not in path.parts and (lines := len(path.read_text().splitlines())) > LONGEST
    }
    assert long == {}


def test_no_module_is_a_drawer_for_anything() -> None:
    assert [relative(path) for path in named(".py") if path.stem in {"utils", "helpers", "misc", "common"}] == []


def test_nothing_is_left_to_be_done() -> None:
    found = [
        f"{relative(path)}:{number}"
        for path in named(".py", ".html", ".css", ".js", ".md", ".yaml", ".yml", ".toml")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if any(re.search(rf"\b{word}\b", line) for word in WORK_WORDS)
    ]
    assert found == []


def test_no_file_names_a_registry() -> None:
    found = [
        relative(path)
        for path in tracked()
        if path.suffix not in {".png", ".jpg", ".ico", ".woff2", ".gz"}
        and any(host in path.read_text(errors="replace") for host in REGISTRIES)
    ]
    assert found == []


def test_the_locks_are_hashed_and_name_no_place() -> None:
    for lock in ("requirements.txt", "requirements-learn.txt", "requirements-dev.txt"):
        text = (BASE_DIR / lock).read_text()
        pinned = re.findall(r"^[a-z0-9_.-]+(?:\[[a-z,]+\])?==", text, flags=re.MULTILINE)
        hashed = re.findall(r"^[a-z0-9_.-]+(?:\[[a-z,]+\])?==[^\n]+\\\n +--hash=sha256:", text, flags=re.MULTILINE)
        assert len(pinned) > 40
        assert len(pinned) == len(hashed)
        assert "://" not in text
        assert not re.search(r"^-", text, flags=re.MULTILINE)


def test_the_locks_hold_what_is_asked_for() -> None:
    for lock in ("requirements.txt", "requirements-learn.txt", "requirements-dev.txt"):
        source = lock.replace(".txt", ".in")
        asked = re.findall(r"^([A-Za-z0-9_.-]+)", (BASE_DIR / source).read_text(), flags=re.MULTILINE)
        names = {re.sub(r"[_.]+", "-", name.lower()) for name in asked if not name.startswith("-")}
        locked = set(re.findall(r"^([a-z0-9-]+)(?:\[[a-z,]+\])?==", (BASE_DIR / lock).read_text(), flags=re.MULTILINE))
        assert names - locked == set()


def test_psycopg_3_is_absent() -> None:
    assert importlib.util.find_spec("psycopg") is None


def test_the_environment_is_read_in_one_place() -> None:
    allowed = {"config/env.py", "config/local/session.py", "config/local/processes.py", "manage.py"}
    # DJANGO_SETTINGS_MODULE by entry points, RIPEN_BASE_URL passed on by `up`.
    allowed |= {"config/celery.py", "config/wsgi.py", "config/management/commands/up.py"}
    readers = {
        relative(path)
        for path in named(".py")
        if relative(path).split("/")[0] in {*APPS, "manage.py"} and re.search(r"os\.(environ|getenv)", path.read_text())
    }
    assert readers <= allowed


def test_no_template_writes_an_id_as_a_number_for_people() -> None:
    """Numbers are written with separators (1,234), which nobody reads back as an id."""
    spoken = re.compile(r"""=["'][^"'{}]*\{\{\s*[\w.]*\b(?:pk|\w+_pk|contact_id|company_id|user_id)\s*\}\}""")
    assert [
        f"{relative(path)}:{number}"
        for path in named(".html")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if spoken.search(line)
    ] == []


def commands() -> list[Path]:
    return [
        path
        for app in APPS
        for path in sorted((BASE_DIR / app / "management" / "commands").glob("*.py"))
        if path.stem != "__init__"
    ]


@pytest.mark.parametrize("command", commands(), ids=lambda path: path.stem)
def test_every_command_is_documented(command: Path) -> None:
    tree = ast.parse(command.read_text())
    assert ast.get_docstring(tree), f"{command.stem} does not say what it is for"
    texts = [path.read_text() for path in [BASE_DIR / "README.md", *(BASE_DIR / "docs").rglob("*.md")] if path.exists()]
    assert any(f"manage.py {command.stem}" in text for text in texts), f"no document shows manage.py {command.stem}"


def test_clocks_are_outside_of_rules() -> None:
    pure = [path for path in named(".py") if relative(path).startswith(("scoring/engine/", "scoring/definition/"))]
    assert pure
    reading = re.compile(r"\b(timezone\.now|datetime\.now|date\.today|time\.time)\(")
    assert [relative(path) for path in pure if reading.search(path.read_text())] == []
