"""Ready-to-paste programs that send a source's first event: for the shell, in Python and in JavaScript."""

import json
from dataclasses import dataclass
from typing import Any, Final

# What stands where the key goes once nobody can show it any more.
NO_KEY: Final = "THE-KEY-OF-THIS-SOURCE"
FIRST_MESSAGE: Final = "my-first-event"
_EVENTS: Final = "/api/v1/events/"


@dataclass(frozen=True, slots=True)
class Snippet:
    """A program: ``language`` as people call it, ``name`` for addresses and ids, ``code`` as it is pasted."""

    name: str
    language: str
    code: str


def first_event(*, public: bool) -> dict[str, Any]:
    """Return the event that the snippets send; a browser's key may say less of somebody than a server's."""
    traits: dict[str, Any] = {"first_name": "Ann", "last_name": "Example"}
    if not public:
        traits |= {"job_title": "Head of Operations", "company": {"name": "Example", "domain": "example.com"}}
    return {
        "message_id": FIRST_MESSAGE,
        "kind": "demo_requested",
        "contact": {"email": "ann@example.com"},
        "traits": traits,
    }


def snippets_for(*, base_url: str, key: str = "", public: bool = False) -> tuple[Snippet, ...]:
    """Return the programs for a source at ``base_url`` (without a slash at its end); without a ``key`` a stand-in."""
    url, key = base_url + _EVENTS, key or NO_KEY
    document = json.dumps(first_event(public=public), indent=2)
    shell = (
        f"curl -sS {url} \\\n"
        f'  -H "Authorization: Bearer {key}" \\\n'
        '  -H "Content-Type: application/json" \\\n'
        f"  -d '{document}'"
    )
    python = f"""import json
import urllib.request

event = {document}
request = urllib.request.Request(
    "{url}",
    data=json.dumps(event).encode(),
    headers={{"Authorization": "Bearer {key}", "Content-Type": "application/json"}},
)
with urllib.request.urlopen(request) as answer:
    print(answer.read().decode())"""
    script = f"""const event = {document};
fetch("{url}", {{
  method: "POST",
  headers: {{ "Authorization": "Bearer {key}", "Content-Type": "application/json" }},
  body: JSON.stringify(event),
}})
  .then((answer) => answer.json())
  .then((receipt) => console.log(receipt));"""
    return (
        Snippet("curl", "curl", shell),
        Snippet("python", "Python", python),
        Snippet("javascript", "JavaScript", script),
    )
