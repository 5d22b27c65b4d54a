"""Recording facts in tests the way integrations do: through record_events, at a chosen moment."""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from contacts.ingest.incoming import IncomingEvent
from contacts.models import Identity
from contacts.services.record import internal_source, record_events

FITTING: dict[str, Any] = {
    "job_title": "Head of Operations",
    "means": "yes",
    "authority": "yes",
    "company": {"name": "Acme Software", "domain": "acme.example", "industry": "software", "employees": 200},
}


def incoming(
    kind: str | None,
    at: datetime,
    *,
    email: str = "ann@acme.example",
    traits: Mapping[str, Any] | None = None,
    message_id: str | None = None,
    **properties: Any,
) -> IncomingEvent:
    """One message about a contact named by e-mail."""
    return IncomingEvent(
        index=0,
        message_id=message_id or str(uuid.uuid4()),
        kind=kind,
        occurred_at=at,
        email=email,
        traits=dict(traits or {}),
        properties=properties,
    )


def record(*events: IncomingEvent, at: datetime | None = None) -> None:
    """Record the messages in one batch; they must all be accepted."""
    for index, event in enumerate(events):
        event.index = index
    received = at or max((event.occurred_at for event in events), default=datetime.now(UTC))
    receipt = record_events(source=internal_source(), events=events, received_at=received, system=True)
    assert not receipt.rejected


def contact_id_of(email: str = "ann@acme.example") -> int:
    """The contact with this e-mail."""
    return Identity.objects.get(value=email).contact_id
