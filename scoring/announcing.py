"""The one rule about which changes of stage are news: hooks, mail and the feed's ``announce`` all ask here."""

from datetime import timedelta

from scoring.models import Transition

# What happened longer ago is history by the time we learn of it; people act on the current state instead.
NEWS_FOR = timedelta(hours=72)


def announces(transition: Transition, *, is_in_force: bool, is_first: bool, is_quiet: bool) -> bool:
    """Whether the recorded change is to be told to anybody.

    It is when it is true, was recorded within NEWS_FOR of when it took effect, does not come from a quiet
    publication, and was not said before. The facts beside the row come from ``selectors.moves.with_notice_facts``:

    Args:
        transition: the recorded row.
        is_in_force: this row, or a later one that says the same change again, is in force.
        is_first: no earlier row says the same change; a timeline computed anew may record it again with other scores.
        is_quiet: it comes from a publication that sends nothing.
    """
    in_time = transition.recorded_at - transition.effective_at <= NEWS_FOR
    return is_in_force and is_first and in_time and not is_quiet
