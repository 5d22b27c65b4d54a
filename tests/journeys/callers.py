"""Who calls a running application over real HTTP: a program with a key, and a person with a browser's cookies."""

import json
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from http.cookiejar import CookieJar
from typing import Any, TypeVar

Found = TypeVar("Found")


class Program:
    """An integration: speaks JSON with a source's key or a personal token."""

    def __init__(self, base_url: str, key: str) -> None:
        self.base_url = base_url
        self.key = key

    def call(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Status and parsed answer of one request."""
        request = urllib.request.Request(
            f"{self.base_url}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def get(self, path: str) -> Any:
        """The answer of a GET that must succeed."""
        status, answer = self.call("GET", path)
        assert status == 200, (path, status, answer)
        return answer

    def contact(self, email: str) -> dict[str, Any] | None:
        """The contact with this address, None while there is none."""
        results = self.get(f"/api/v1/contacts/?{urllib.parse.urlencode({'email': email})}")["results"]
        found: dict[str, Any] | None = results[0] if results else None
        return found


class Person:
    """Somebody signed in, reading pages."""

    def __init__(self, base_url: str, email: str, password: str) -> None:
        self.base_url = base_url
        self.cookies = CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.cookies))
        form = self.read("/account/login/")
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', form)
        assert token, form
        fields = {"csrfmiddlewaretoken": token[1], "login": email, "password": password}
        request = urllib.request.Request(
            f"{base_url}/account/login/",
            data=urllib.parse.urlencode(fields).encode(),
            headers={"Referer": f"{base_url}/account/login/"},
        )
        with self.opener.open(request, timeout=30) as answer:
            assert not answer.url.endswith("/login/"), "sign-in failed"

    def read(self, path: str) -> str:
        """The HTML of a page."""
        with self.opener.open(f"{self.base_url}{path}", timeout=30) as answer:
            assert answer.status == 200
            html: str = answer.read().decode()
            return html


def wait_for(look: Callable[[], Found | None], *, within: float) -> Found:
    """What ``look`` finds as soon as it finds anything; fails when ``within`` seconds have passed."""
    deadline = time.monotonic() + within
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"nothing within {within} s"
        time.sleep(0.02)
