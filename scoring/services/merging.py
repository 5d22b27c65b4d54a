"""What becomes of judgements when contacts become one, and when they part again."""

from contacts.models import Standing
from contacts.registry import Merging
from scoring.models import Transition


def merge_judgements(merging: Merging) -> None:
    """Let the loser stand nowhere: it is judged as part of the winner, who is due since the loser's first fact.

    Its transitions are superseded, as whatever turned out not to be so. They count as unconsumed again: what is no
    longer true has consequences, too.
    """
    Standing.objects.filter(contact=merging.loser_id).delete()
    Transition.objects.filter(contact=merging.loser_id, superseded_at=None).update(
        superseded_at=merging.now, consumed_at=None
    )


def part_judgements(merging: Merging) -> None:
    """Do nothing now: both are due since their first facts, and their timelines are computed from what is theirs."""
