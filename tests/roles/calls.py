"""What the tables of calls are written in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from contacts.enums import Role, Scope

R, M, L, A = Role.REP, Role.MARKETER, Role.MANAGER, Role.ADMIN
EVERYBODY = {R, M, L, A}


@dataclass(frozen=True)
class Call:
    """One thing that can be asked: who may, as people and by which scope as a source (None: only people)."""

    method: str
    url: str
    roles: set[Role]
    scope: Scope | None = None
    body: Mapping[str, Any] | None = None


CONSENT = {"purpose": "newsletter", "action": "withdrawn", "proof": "Told us on the phone."}
