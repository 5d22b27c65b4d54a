"""What can go wrong when people work handoffs, as codes that page and API share."""

from django.utils.translation import gettext


class HandoffConflict(Exception):
    """The handoff is not in the state that the move needs; somebody or something was faster.

    ``code`` is stable: ``already_claimed``, ``kept_for_another``, ``limit_reached``, ``not_claimable``,
    ``nothing_to_claim``, ``others_claiming`` or ``wrong_state``; ``message`` is for people.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class HandoffTaken(HandoffConflict):
    """Somebody else holds the handoff; ``winner`` is their name."""

    def __init__(self, winner: str, *, themselves: bool = False) -> None:
        said = (
            gettext("Claimed by %(name)s: it is yours already.")
            if themselves
            else gettext("Claimed by %(name)s: somebody was faster.")
        )
        super().__init__("already_claimed", said % {"name": winner})
        self.winner = winner


class NotClaimable(HandoffConflict):
    """The contact no longer stands where Sales may claim it."""

    def __init__(self, message: str) -> None:
        super().__init__("not_claimable", message)


class NothingToClaim(HandoffConflict):
    """No offer waits that the person may claim, or, with ``only_kept``, none that is kept for them."""

    def __init__(self, *, only_kept: bool = False) -> None:
        said = (
            gettext("Nothing is kept for you.")
            if only_kept
            else gettext("There is nothing to claim: no offer waits that is yours to take.")
        )
        super().__init__("nothing_to_claim", said)


class OthersClaiming(HandoffConflict):
    """Offers wait still, and others are taking all of them at this moment."""

    def __init__(self) -> None:
        super().__init__("others_claiming", gettext("Others are taking the last offers at this moment: try again."))


class WrongState(HandoffConflict):
    """The handoff's state does not allow this move."""

    def __init__(self, message: str) -> None:
        super().__init__("wrong_state", message)


class KeptForAnother(HandoffConflict):
    """The offer is kept for somebody else; ``rep`` is their name."""

    def __init__(self, rep: str) -> None:
        super().__init__(
            "kept_for_another", gettext("Kept for %(name)s: only they or a manager may claim it.") % {"name": rep}
        )
        self.rep = rep


class LimitReached(HandoffConflict):
    """``rep`` holds as many open handoffs as they may: ``limit``."""

    def __init__(self, rep: str, limit: int, *, themselves: bool = False) -> None:
        said = (
            gettext("You hold %(limit)s open handoffs or more, the limit: close or release one of yours first.")
            if themselves
            else gettext(
                "%(name)s holds %(limit)s open handoffs or more, the limit: close or release one of theirs first."
            )
        )
        super().__init__("limit_reached", said % {"name": rep, "limit": limit})
        self.rep = rep
        self.limit = limit


class HookConflict(Exception):
    """A webhook is not in the state that is needed.

    ``code`` is ``disabled`` or ``being_sent``; ``message`` is for people.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
