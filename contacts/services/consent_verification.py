"""Proving invariant 7: suppressed addresses hold no consent and no pending message. Reads only.

What is checked is the ledger itself, not what readers make of it: they treat a suppressed address as holding no consent
whatever the ledger says (contacts/services/consent.py).
"""

from collections.abc import Iterator, Sequence
from typing import Final

from django.db.models import Exists, OuterRef

from contacts.enums import ConsentAction, IdentityKind, MailState
from contacts.models import ConsentEntry, Contact, Identity, Mail, Suppression
from contacts.selectors.consent import ledger_states, merges_below
from contacts.services.suppression import LIFTED_BY_THE_PERSON, suppressed_among
from contacts.services.verification import EVERYBODY, Among, Violation

_AT_ONCE: Final = 5_000


def verify_consent(among: Among = EVERYBODY) -> Iterator[Violation]:
    """Invariant 7, people's part. Looks at those who ever granted something, some thousands at a time."""
    if not Suppression.objects.filter(lifted_at=None).exists():
        return
    granted = ConsentEntry.objects.filter(contact=OuterRef("pk"), action=ConsentAction.GRANTED)
    rows: list[tuple[int, str]] = []
    contacts = Contact.objects.filter(Exists(granted), present=True).exclude(email="").order_by("pk")
    if among.ids is not None:
        contacts = contacts.filter(pk__in=among.ids)
    elif not among.is_everybody:
        contacts = contacts.filter(pk__range=(among.first, among.last))
    for row in contacts.values_list("pk", "email").iterator(chunk_size=_AT_ONCE):
        rows.append(row)
        if len(rows) == _AT_ONCE:
            yield from _verify_ledgers(rows)
            rows.clear()
    yield from _verify_ledgers(rows)


def _verify_ledgers(rows: Sequence[tuple[int, str]]) -> Iterator[Violation]:
    suppressed = suppressed_among({email for _, email in rows})
    holders = {contact_id: email for contact_id, email in rows if email in suppressed}
    if not holders:
        return
    joined = merges_below(list(holders))
    owned_since = dict(
        Identity.objects.filter(
            contact__in=list(holders), kind=IdentityKind.EMAIL, value__in=list(holders.values())
        ).values_list("value", "created_at")
    )
    for contact_id, states in ledger_states(holders).items():
        email = holders[contact_id]
        # An address that came with a merge, or later than its owner's consent, brought its suppression along: readers
        # heed it, and nothing was said that the ledger could hold.
        since = owned_since.get(email)
        held = [
            purpose
            for purpose, state in sorted(states.items())
            if state.is_granted and not joined.get(contact_id) and (since is None or state.at >= since)
        ]
        if held:
            yield Violation(7, f"holds consent to {', '.join(held)} although its address is suppressed", contact_id)


def verify_mails() -> Iterator[Violation]:
    """Invariant 7, the mail's part: nothing waits to be sent to a suppressed address."""
    waiting = list(Mail.objects.filter(state=MailState.WAITING).exclude(address="").order_by("pk"))
    suppressed = suppressed_among({mail.address for mail in waiting})
    for mail in waiting:
        row = suppressed.get(mail.address)
        if row is None:
            continue
        # What the person asked for since is how they take their own word back.
        asked_since = mail.purpose_id is None and row.reason in LIFTED_BY_THE_PERSON and mail.created_at > row.at
        if not asked_since:
            yield Violation(7, f"mail {mail.pk} waits to be sent to a suppressed address", mail.contact_id)
