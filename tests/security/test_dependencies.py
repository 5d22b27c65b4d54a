"""What is installed is what was looked at: every package pinned with hashes, no host named, nothing out of reach."""

import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from packaging.markers import Marker

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.txt", "requirements-learn.txt", "requirements-dev.txt")
ENTRY = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^ ;\\]+)\s*(?:;\s*([^\\]+?))?\s*\\?$")


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_is_pinned_by_hashes_and_no_host_is_named(lock: str) -> None:
    text = (ROOT / lock).read_text()
    packages = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
    assert len(packages) > 10
    assert [line for line in packages if not ENTRY.match(line)] == []
    for entry in re.split(r"^(?=\S)", text, flags=re.MULTILINE)[1:]:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry.partition("\n")[0]
    assert "://" not in text
    assert "--index" not in text


@pytest.mark.parametrize("lock", ["requirements.txt", "requirements-dev.txt"])
def test_what_runs_here_is_what_the_lock_says(lock: str) -> None:
    other = []
    for line in (ROOT / lock).read_text().splitlines():
        found = ENTRY.match(line)
        if found is None or (found[3] and not Marker(found[3]).evaluate()):
            continue
        try:
            if version(found[1]) != found[2]:
                other.append(f"{found[1]} {version(found[1])} instead of {found[2]}")
        except PackageNotFoundError:
            other.append(f"{found[1]} is missing")
    assert other == []
