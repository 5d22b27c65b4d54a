"""What counts of a contact's history, told the long way: the model that the product's SQL is held against."""

from contacts.models import AttributeChange, Contact


def counting_changes(contact: Contact) -> list[AttributeChange]:
    """The rows that count, in the order in which they took effect; the last one of each name is in force."""
    rows = sorted(contact.attribute_changes.all(), key=lambda row: (row.effective_at, row.weak, row.message))
    counting: list[AttributeChange] = []
    for row in rows:
        if not row.weak or all(row.name != earlier.name for earlier in counting):
            counting.append(row)
    return counting
