"""A large upload goes to disk as it comes: the web processes do not grow with it."""

import http.client
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.journeys.callers import Person
from tests.running_app import RunningApp

MEGABYTES = 48
# What handling requests at all may cost; the file would be many times that.
ALLOWED_MEGABYTES = 16


@pytest.fixture
def marketer(running_app: RunningApp) -> Person:
    email = f"{secrets.token_hex(4)}@upload.test"
    running_app.run("create_user", email, "--role", "marketer", "--password", "a long enough password 1")
    return Person(running_app.base_url, email, "a long enough password 1")


def peak_megabytes(app: RunningApp) -> int:
    """The most memory that any web process has had."""
    web = app.pid("web")
    children = Path(f"/proc/{web}/task/{web}/children").read_text().split()
    peaks = [re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text()) for pid in children]
    return max(int(found[1]) for found in peaks if found) // 1024


def multipart(boundary: str, fields: dict[str, str], megabytes: int) -> Iterator[bytes]:
    """The body of the upload, piece by piece."""
    for name, value in fields.items():
        yield f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
    yield f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="large.csv"\r\n'.encode()
    yield b"Content-Type: text/csv\r\n\r\nemail,note\n"
    line = b"somebody@upload.test," + b"x" * 178 + b"\n"
    for _ in range(megabytes):
        yield line * (1024 * 1024 // len(line))
    yield f"\r\n--{boundary}--\r\n".encode()


def send(person: Person, megabytes: int) -> tuple[int, str]:
    """Upload so many megabytes; status, and where it leads."""
    page = person.read("/imports/new/")
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert token, page
    fields = {"csrfmiddlewaretoken": token[1], "what": "contacts"}
    size = sum(map(len, multipart("border", fields, megabytes)))
    connection = http.client.HTTPConnection(urlsplit(person.base_url).netloc, timeout=120)
    connection.request(
        "POST",
        "/imports/new/",
        body=multipart("border", fields, megabytes),
        headers={
            "Content-Type": "multipart/form-data; boundary=border",
            "Content-Length": str(size),
            "Cookie": "; ".join(f"{cookie.name}={cookie.value}" for cookie in person.cookies),
            "Referer": f"{person.base_url}/imports/new/",
        },
    )
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, answer.headers.get("Location", "")


def test_the_web_processes_do_not_grow_with_an_upload(running_app: RunningApp, marketer: Person) -> None:
    # The first requests of a process load what the next ones need as well.
    for _ in range(4):
        status, _ = send(marketer, 1)
        assert status == 302
    before = peak_megabytes(running_app)
    status, location = send(marketer, MEGABYTES)
    assert status == 302
    marketer.read(location)
    grown = peak_megabytes(running_app) - before
    assert grown < ALLOWED_MEGABYTES, f"{grown} MB for an upload of {MEGABYTES} MB"
    kept = [path.stat().st_size for path in (running_app.state_dir / "imports").iterdir()]
    assert max(kept) > MEGABYTES * 1000 * 1000
    assert list((running_app.state_dir / "uploads").iterdir()) == []
