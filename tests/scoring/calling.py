"""A caller of the API of definitions."""

import json
from typing import Any

from django.test import Client


class Api:
    """A caller of the API: a person or a source."""

    def __init__(self, key: str) -> None:
        self.key = key

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The answer to a request; ``body`` bytes are sent as they are."""
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        sent = {
            "authorization": f"Bearer {self.key}",
            **{name.replace("_", "-"): text for name, text in headers.items()},
        }
        return Client().generic(method, f"/api/v1{path}", data, content_type="application/json", headers=sent)

    def get(self, path: str) -> Any:
        return self.ask("GET", path)

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.ask("POST", path, body, **headers)

    def patch(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.ask("PATCH", path, body, **headers)

    def delete(self, path: str) -> Any:
        return self.ask("DELETE", path)
