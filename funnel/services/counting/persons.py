"""What becomes of the rollups when contacts merge or part, or a person is erased."""

from collections.abc import Mapping, Sequence
from typing import Any

from contacts.registry import Erasing, Merging
from funnel.services.counting.keeping import count_contacts, forget_contacts, hold_counting


def keep_counts(merging: Merging) -> None:
    """Do nothing now: transitions that change with a merge or its undoing are counted by the drain, like any other."""


def erase_counts(erasing: Erasing) -> None:
    """Count the moves that the husk keeps as the husk's: nobody's, with no source, campaign, company or country.

    Waits for whoever counts at this moment: a batch, or everything anew.
    """
    hold_counting()
    forget_contacts(contact_ids=erasing.contact_ids)
    count_contacts(contact_ids=[erasing.husk_id])


def export_counts(contact_ids: Sequence[int]) -> Mapping[str, Any]:
    """Tell nothing: what is counted are the transitions, which the judgement tells."""
    return {}
