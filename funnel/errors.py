"""What can go wrong when people work handoffs, as codes that page and API share."""


class HandoffConflict(Exception):
    """The handoff is not in the state that the move needs; somebody or something was faster.

    ``code`` is stable: ``already_claimed``, ``not_claimable`` or ``wrong_state``; ``message`` is for people.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class HandoffTaken(HandoffConflict):
    """Somebody else holds the handoff; ``winner`` is their name."""

    def __init__(self, winner: str, *, themselves: bool = False) -> None:
        how = "it is yours already." if themselves else "somebody was faster."
        super().__init__("already_claimed", f"Claimed by {winner}: {how}")
        self.winner = winner


class NotClaimable(HandoffConflict):
    """The contact no longer stands where Sales may claim it."""

    def __init__(self, message: str) -> None:
        super().__init__("not_claimable", message)


class WrongState(HandoffConflict):
    """The handoff's state does not allow this move."""

    def __init__(self, message: str) -> None:
        super().__init__("wrong_state", message)
