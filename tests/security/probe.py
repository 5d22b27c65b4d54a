"""``make probe``: schemathesis at length, then sqlmap against an application of its own. Ends with 1 on any finding.

sqlmap (GPL) is no dependency: it is installed into a throw-away environment in the temporary folder, or the one that
``SQLMAP`` names is used. Everything happens on loopback and in bounded time.
"""

import os
import re
import subprocess
import sys
import tempfile
import urllib.request
import venv
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

from config.env import BASE_DIR
from tests.running_app import RunningApp, start_app
from tests.security.targets import API, PAGES

SQLMAP_VERSION: Final = "1.10.10"
# Per address, in seconds; what is not through by then is said so.
PATIENCE: Final = int(os.environ.get("RIPEN_PROBE_SECONDS", "240"))
_FOUND: Final = re.compile(r"identified the following injection point|is vulnerable|appears to be .* injectable")
_PASSWORD: Final = "probe-" + os.urandom(12).hex()


def say(text: str) -> None:
    """Tell whoever watches, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def install_sqlmap(folder: Path) -> list[str]:
    """Return how sqlmap is run, installed into ``folder`` unless ``SQLMAP`` names one."""
    named = os.environ.get("SQLMAP")
    if named:
        return [named]
    venv.create(folder / "venv", with_pip=True)
    python = str(folder / "venv" / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", f"sqlmap=={SQLMAP_VERSION}"], check=True)
    return [str(folder / "venv" / "bin" / "sqlmap")]


def sign_in(app: RunningApp) -> tuple[str, str]:
    """Make an administrator; return the cookies of a session and a token."""
    address = "probe@ripen.example"
    token = app.run("create_user", address, "--role", "admin", "--password", _PASSWORD, "--token").splitlines()[-1]
    jar = CookieJar()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    opener.open(f"{app.base_url}/account/login/", timeout=60).read()
    csrf = next(cookie.value for cookie in jar if cookie.name == "csrftoken")
    form = urlencode({"login": address, "password": _PASSWORD, "csrfmiddlewaretoken": csrf}).encode()
    opener.open(f"{app.base_url}/account/login/", form, timeout=60).read()
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in jar), token


def try_address(sqlmap: list[str], url: str, header: str, folder: Path) -> str:
    """Let sqlmap try every parameter of an address; return what it found, "" for nothing."""
    command = [
        *sqlmap, "-u", url, "--headers", header, "--batch", "--level", "1", "--risk", "1", "--dbms", "PostgreSQL",
        "--technique", "BEU", "--disable-coloring", "--ignore-code", "*", "--timeout", "30", "--retries", "1",
        "--flush-session", "--output-dir", str(folder / "out"),
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired as late:
        said = late.stdout.decode(errors="replace") if isinstance(late.stdout, bytes) else str(late.stdout)
        say("  (stopped: out of time)")
    else:
        said = done.stdout
        if "testing if GET parameter" not in said and "all tested parameters" not in said:
            return f"sqlmap did not test anything:\n{said[-1500:]}"
    return "\n".join(line for line in said.splitlines() if _FOUND.search(line))


def main() -> int:
    """Run both; return 1 where either found something."""
    findings = 0
    if "--sqlmap-only" not in sys.argv:
        examples = os.environ.setdefault("RIPEN_PROBE_EXAMPLES", "100")
        say(f"schemathesis: {examples} requests for every call")
        tests = [sys.executable, "-m", "pytest", "-q", "tests/security/test_openapi_calls.py", "--numprocesses", "auto"]
        findings += subprocess.run(tests, cwd=BASE_DIR, check=False).returncode != 0
    with tempfile.TemporaryDirectory(prefix="ripen-probe-") as name, start_app() as app:
        folder = Path(name)
        sqlmap = install_sqlmap(folder)
        app.run("seed_demo", "--contacts", "50", "--events", "200")
        cookies, token = sign_in(app)
        targets = [(path, f"Cookie: {cookies}") for path in PAGES]
        targets += [(path, f"Authorization: Bearer {token}") for path in API]
        for path, header in targets:
            say(f"sqlmap: {path}")
            found = try_address(sqlmap, f"{app.base_url}{path}", header, folder)
            if found:
                findings += 1
                say(found)
    say("1 finding" if findings == 1 else f"{findings} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
