"""The operator's papers against the product: what they name exists, and what exists is named."""

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import get_commands
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis

from config.env import BASE_DIR, VARIABLES
from config.local.supervisor import HOOKS, RUNS
from config.metrics import RipenCollector
from config.web.docs import read_doc
from contacts.selectors.database import Standby
from contacts.selectors.workers import SIGNS_KEY
from contacts.services.meters import count_rejected, give_sign
from funnel.operation import PARTS
from funnel.selectors.operation import observe

EXAMPLES = BASE_DIR / "docs" / "examples"
UNITS = sorted((EXAMPLES / "systemd").glob("ripen*.*"))
RULES = EXAMPLES / "prometheus" / "alerts.yml"
_METRIC = re.compile(r"\b(?:ripen|django)_[a-z0-9_]+\b")
# Not ours to declare: of Python, Django, Celery and PostgreSQL's own programs.
_FOREIGN = {"DJANGO_SETTINGS_MODULE", "REMAP_SIGTERM", "CONF"}


@pytest.fixture(scope="module")
def guide() -> str:
    return (BASE_DIR / "docs" / "operate.md").read_text()


@pytest.fixture
def told(client: Client, db: None) -> Iterator[set[str]]:
    """The name of every sample that /metrics tells when there is something of everything."""
    from dataclasses import replace

    from django.conf import settings
    from django.utils import timezone

    from config import metrics
    from funnel.models import Proof

    broker = Redis.from_url(settings.REDIS_URL)
    give_sign("celery@here", of=["celery"])
    count_rejected(["bad_email"])
    now = timezone.now()
    Proof.objects.create(checked_at=now, took_ms=1, contacts=5, violations=0)
    client.get("/healthz")
    names = set()
    for family in text_string_to_metric_families(metrics.write_metrics().decode()):
        names |= {sample.name for sample in family.samples}
    seen = observe(now=now)
    assert seen.database is not None
    followed = replace(seen, database=replace(seen.database, standbys=(Standby("b", 1.0, 2.0),)))
    for made in RipenCollector(lambda: followed, lambda: True).collect():
        names |= {sample.name for sample in made.samples}
    yield names
    broker.delete(SIGNS_KEY)
    broker.close()


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def queries() -> Iterator[str]:
    for panel in json.loads((EXAMPLES / "grafana" / "ripen.json").read_text())["panels"]:
        yield from (target["expr"] for target in panel.get("targets", []))


def test_every_metric_is_described_and_no_other(told: set[str], guide: str) -> None:
    table = guide[guide.index("| Name | Is |") : guide.index("### Alarms")]
    described = {name for name in _METRIC.findall(table) if name.startswith("ripen_")} - {"ripen_"}
    given = {re.sub(r"_(bucket|sum|count)$", "", name) for name in told if name.startswith("ripen_")}
    assert described == given


def test_alarms_and_dashboard_ask_for_metrics_that_exist(told: set[str]) -> None:
    asked = {name for text in [*(rule["expr"] for rule in rules()), *queries()] for name in _METRIC.findall(text)}
    assert asked - told == set()


def test_every_metric_of_ours_is_on_the_dashboard(told: set[str]) -> None:
    shown = {name for text in queries() for name in _METRIC.findall(text)}
    left = {name for name in told if name.startswith("ripen_")} - shown
    assert left == set()


def test_every_alarm_says_how_bad_it_is_and_what_to_do() -> None:
    doc = read_doc("operate")
    assert doc is not None
    anchors = {heading.anchor for heading in doc.headings}
    for rule in rules():
        assert rule["labels"]["severity"] in {"critical", "warning"}, rule["alert"]
        assert rule["annotations"]["summary"], rule["alert"]
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert (page, anchor in anchors) == ("/docs/operate/", True), rule["alert"]
        # Violations are found by a check that ran: nothing to wait for.
        assert "for" in rule or rule["alert"] == "RipenVerifyViolations", rule["alert"]


def test_every_part_of_the_status_page_has_its_section() -> None:
    doc = read_doc("operate")
    assert doc is not None
    assert set(PARTS) - {heading.anchor for heading in doc.headings} == set()


def test_the_dashboard_asks_for_its_data_source() -> None:
    board = json.loads((EXAMPLES / "grafana" / "ripen.json").read_text())
    assert [one["type"] for one in board["templating"]["list"]] == ["datasource"]
    for panel in board["panels"]:
        if panel["type"] != "row":
            assert panel["datasource"]["uid"] == "${datasource}", panel["title"]
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_promtool_has_nothing_against_the_alarms() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool on this machine (Debian: prometheus)")
    done = subprocess.run([promtool, "check", "rules", str(RULES)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def blocks(guide: str) -> str:
    return "\n".join(re.findall(r"^```(?:sh|sql)\n(.*?)^```", guide, flags=re.MULTILINE | re.DOTALL))


def test_commands_of_the_guide_exist(guide: str) -> None:
    known = set(get_commands())
    used = set(re.findall(r"manage\.py ([a-z_]+)", guide))
    assert used >= {"verify", "migrate", "drain", "rebuild", "create_user", "explain"}
    assert used - known == set()


def test_variables_of_the_guide_and_the_units_exist(guide: str) -> None:
    texts = [guide, *(path.read_text() for path in UNITS)]
    named = {name for text in texts for name in re.findall(r"\b(RIPEN_[A-Z_]+|[A-Z]+(?:_[A-Z]+)+)=?", text)}
    settings = {name for name in named if name.startswith("RIPEN_") or name in VARIABLES}
    assert settings - set(VARIABLES) == set()
    given = {line.partition("=")[0] for line in _environment_lines()}
    assert given - set(VARIABLES) - _FOREIGN == set()
    assert {"DATABASE_URL", "REDIS_URL", "SECRET_KEY", "RIPEN_HASH_KEY", "RIPEN_BASE_URL"} <= given


def _environment_lines() -> Iterator[str]:
    for path in UNITS:
        for line in path.read_text().splitlines():
            if path.suffix == ".env" and re.match(r"[A-Z]", line):
                yield line
            elif line.startswith("Environment="):
                yield from shlex.split(line.partition("=")[2])


def test_units_and_containers_run_the_same() -> None:
    commands = {path.stem: _command_of(path) for path in UNITS if path.suffix == ".service"}
    start = ["/opt/ripen/.venv/bin/celery", "-A", "config.celery"]
    assert commands["ripen-runs"][: 3 + len(RUNS)] == [*start, *RUNS]
    assert commands["ripen-hooks"][: 3 + len(HOOKS)] == [*start, *HOOKS]
    assert commands["ripen-worker"] == [*start, "worker", "--loglevel", "WARNING"]
    assert commands["ripen-beat"][:4] == [*start, "beat"]
    compose = yaml.safe_load((BASE_DIR / "docker-compose.yml").read_text())["services"]
    for name in ("worker", "runs", "hooks", "beat"):
        assert commands[f"ripen-{name}"][1:] == compose[name]["command"][1:], name


def _command_of(path: Path) -> list[str]:
    line = next(line for line in path.read_text().splitlines() if line.startswith("ExecStart="))
    # Systemd reads %% as %.
    return shlex.split(line.partition("=")[2].replace("%%", "%"))


def test_units_have_the_least_they_need() -> None:
    services = [path for path in UNITS if path.suffix == ".service"]
    assert len(services) == 6
    for path in services:
        text = path.read_text()
        for line in ("User=ripen", "NoNewPrivileges=yes", "CapabilityBoundingSet=", "ProtectSystem=strict"):
            assert f"\n{line}\n" in text, (path.name, line)


def test_systemd_has_nothing_against_the_units(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze on this machine")
    copies = []
    for path in UNITS:
        if path.suffix == ".env":
            continue
        # Programs that are not installed here would be complained of, and nothing else is to be found out.
        text = re.sub(r"/opt/ripen/\.venv/bin/\w+", "/bin/true", path.read_text())
        copy = tmp_path / path.name
        copy.write_text(text.replace("WorkingDirectory=/opt/ripen", "WorkingDirectory=/"))
        copies.append(str(copy))
    done = subprocess.run(
        [analyze, "verify", "--man=no", "--recursive-errors=no", *copies], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_programs_of_the_guide_are_those_it_says_it_needs(guide: str) -> None:
    lines = [line.strip() for line in blocks(guide).splitlines()]
    units = {word for line in lines for word in re.findall(r"\bripen-[a-z]+\b", line)}
    assert units - {path.stem for path in UNITS} == set()
