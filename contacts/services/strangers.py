"""Messages that speak of somebody but may not make a contact: they are taken only where somebody is known."""

from typing import Final

from django.db import connection

from contacts.ingest.incoming import Batch, IncomingEvent, Rejected
from contacts.services.identities import names_of
from contacts.services.rows import Name

FIND_VALUES: Final = "SELECT kind, value FROM contacts_identity WHERE value = ANY(%s)"


def refuse_strangers(batch: Batch) -> Batch:
    """Move messages that make no contact (``only_known``) to the rejected ones where nobody has their names.

    Somebody whom another message of the same batch names is known, too. One statement, none for most batches.
    """
    if not batch.only_known:
        return batch
    asking = [event for event in batch.events if event.index in batch.only_known]
    known = {value for event in batch.events if event.index not in batch.only_known for _, value in _names(event)}
    wanted = {value for event in asking for _, value in _names(event)} - known
    if wanted:
        with connection.cursor() as cursor:
            cursor.execute(FIND_VALUES, [list(wanted)])
            known |= {value for _, value in cursor.fetchall()}
    strangers = {event.index for event in asking if all(value not in known for _, value in _names(event))}
    for event in asking:
        if event.index in strangers:
            batch.rejected.append(
                Rejected(
                    index=event.index,
                    message_id=event.message_id,
                    code="missing_identity",
                    field="distinct_id",
                    message="Nobody is known under this id; name somebody who belongs to the group.",
                )
            )
    batch.events = [event for event in batch.events if event.index not in strangers]
    return batch


def _names(event: IncomingEvent) -> list[Name]:
    previous = event.previous_id
    return [*names_of(event), *([("", previous)] if previous is not None else [])]
