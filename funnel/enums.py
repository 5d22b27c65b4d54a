"""Closed vocabularies of the consequence app."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy, pgettext_lazy


class HandoffState(TextChoices):
    """offered -> claimed -> accepted -> won | returned; an unclaimed offer may expire or be withdrawn.

    ``suspended``: its contact became part of another that has an open handoff of its own; it comes back when they part.
    """

    OFFERED = "offered", gettext_lazy("offered")
    CLAIMED = "claimed", gettext_lazy("claimed")
    ACCEPTED = "accepted", gettext_lazy("accepted")
    WON = "won", gettext_lazy("won")
    RETURNED = "returned", gettext_lazy("returned")
    EXPIRED = "expired", gettext_lazy("expired")
    WITHDRAWN = "withdrawn", gettext_lazy("withdrawn")
    SUSPENDED = "suspended", gettext_lazy("suspended")


OPEN_STATES = (HandoffState.OFFERED, HandoffState.CLAIMED, HandoffState.ACCEPTED)


class ReturnReason(TextChoices):
    """Why a rep hands a contact back to Marketing."""

    NO_RESPONSE = "no_response", gettext_lazy("No response")
    NO_WANT = "no_want", gettext_lazy("Does not want it")
    CANNOT_BUY_NOW = "cannot_buy_now", gettext_lazy("Cannot buy now")
    NO_AUTHORITY = "no_authority", gettext_lazy("No authority to buy")
    NO_MEANS = "no_means", gettext_lazy("No means to buy")
    BAD_DATA = "bad_data", gettext_lazy("Bad data")
    DUPLICATE = "duplicate", gettext_lazy("Duplicate")
    OTHER = "other", gettext_lazy("Other")


class MoveName(TextChoices):
    """What can be done with a handoff; funnel/moves.py says from where to where, and who may."""

    OFFER = "offer", gettext_lazy("offered")
    ASSIGN = "assign", gettext_lazy("kept for a rep")
    CLAIM = "claim", gettext_lazy("claimed")
    ACCEPT = "accept", gettext_lazy("accepted")
    OUTCOME = "outcome", gettext_lazy("interim result recorded")
    RELEASE = "release", gettext_lazy("released")
    REASSIGN = "reassign", gettext_lazy("reassigned")
    TAKE_OVER = "take over", gettext_lazy("taken over")
    RETURN = "return", gettext_lazy("returned")
    WIN = "win", gettext_lazy("won")
    EXPIRE = "expire", gettext_lazy("expired")
    WITHDRAW = "withdraw", gettext_lazy("withdrawn")
    CLOSE_AS_WON = "close as won", gettext_lazy("closed as won")
    SUSPEND = "suspend", gettext_lazy("suspended")
    RESUME = "resume", gettext_lazy("resumed")
    GIVE_UP = "give up", gettext_lazy("given up")


class ReleaseReason(TextChoices):
    """Why a handoff went back to the queue without going back to Marketing."""

    BY_HAND = "by_hand", gettext_lazy("Released by a person")
    NO_ATTEMPT = "no_attempt", gettext_lazy("No attempt in time")
    REP_AWAY = "rep_away", gettext_lazy("The rep left or is away")


class InterimOutcome(TextChoices):
    """What came of a conversation so far; it stays open."""

    NO_ANSWER = "no_answer", gettext_lazy("No answer yet")
    IN_TALKS = "in_talks", gettext_lazy("In talks")
    MEETING_AGREED = "meeting_agreed", gettext_lazy("Meeting agreed")
    PROPOSAL_SENT = "proposal_sent", gettext_lazy("Proposal sent")
    WAITING = "waiting", gettext_lazy("Waiting for them")
    LATER = "later", gettext_lazy("Later")


class AnnouncementType(TextChoices):
    """What is told: to webhooks (the types of API.md and a few more), to people, or to both."""

    STAGE_CHANGED = "contact.stage_changed", gettext_lazy("Stage changed")
    CONTACT_MERGED = "contact.merged", gettext_lazy("Contacts merged")
    CONTACT_PARTED = "contact.parted", gettext_lazy("Merge undone")
    CONTACT_ERASED = "contact.erased", gettext_lazy("Contact erased")
    OFFERED = "handoff.offered", gettext_lazy("Handoff offered")
    CLAIMED = "handoff.claimed", gettext_lazy("Handoff claimed")
    ACCEPTED = "handoff.accepted", gettext_lazy("Handoff accepted")
    RELEASED = "handoff.released", gettext_lazy("Handoff released")
    REASSIGNED = "handoff.reassigned", gettext_lazy("Handoff reassigned")
    RETURNED = "handoff.returned", gettext_lazy("Handoff returned")
    EXPIRED = "handoff.expired", gettext_lazy("Handoff expired")
    WITHDRAWN = "handoff.withdrawn", gettext_lazy("Handoff withdrawn")
    WON = "handoff.won", gettext_lazy("Handoff won")
    WARNED = "handoff.warned", gettext_lazy("Handoff close to its deadline")
    STARVING = "queue.starving", gettext_lazy("Handoffs wait too long")
    STEP_DUE = "sequence.step_due", gettext_lazy("Step of a sequence due")
    SEQUENCE_ENDED = "sequence.ended", gettext_lazy("Sequence ended")
    HOOK_FAILING = "hook.failing", gettext_lazy("Webhook receiver fails")
    HOOK_DISABLED = "hook.disabled", gettext_lazy("Webhook endpoint disabled")


class SequenceState(TextChoices):
    """A draft is written; an active sequence enrols and sends; in a paused one all clocks stand still."""

    DRAFT = "draft", gettext_lazy("draft")
    ACTIVE = "active", gettext_lazy("active")
    PAUSED = "paused", gettext_lazy("paused")


class StepChannel(TextChoices):
    """How a step of a sequence reaches the contact."""

    EMAIL = "email", gettext_lazy("E-mail sent by Ripen")
    WEBHOOK = "webhook", gettext_lazy("Webhook to the tool that sends")


class EnrolmentState(TextChoices):
    """Where a contact's way through a sequence stands; the last two are final."""

    ACTIVE = "active", gettext_lazy("under way")
    COMPLETED = "completed", gettext_lazy("completed")
    STOPPED = "stopped", gettext_lazy("stopped")


class EnrolledBy(TextChoices):
    """What brought a contact into a sequence."""

    ENTRY = "entry", gettext_lazy("entered the stage")
    BACKFILL = "backfill", gettext_lazy("stood there already")
    HAND = "hand", gettext_lazy("enrolled by hand")


class StopReason(TextChoices):
    """Why a contact's way through a sequence ended before its last step."""

    STAGE_CHANGED = "stage_changed", gettext_lazy("left the stage")
    REPLIED = "replied", gettext_lazy("talked with us")
    CLAIMED = "claimed", gettext_lazy("Sales is in conversation with them")
    UNSUBSCRIBED = "unsubscribed", gettext_lazy("unsubscribed")
    BOUNCED = "bounced", gettext_lazy("the mail bounced")
    COMPLAINED = "complained", gettext_lazy("complained of spam")
    REFUSED = "refused", gettext_lazy("refused this purpose")
    SUPPRESSED = "suppressed", gettext_lazy("the address is suppressed")
    NOT_OURS = "not_ours", gettext_lazy("not ours to write to")
    NOTHING_SENT = "nothing_sent", gettext_lazy("no step could be sent")
    BY_HAND = "by_hand", gettext_lazy("stopped by a person")
    MERGED = "merged", gettext_lazy("became part of a contact that is in it already")
    ERASED = "erased", gettext_lazy("the person was erased")


class StepState(TextChoices):
    """What becomes of one step for one contact. ``held``: it waits, and the sequence is paused."""

    WAITING = "waiting", gettext_lazy("waiting")
    HELD = "held", pgettext_lazy("step of a paused sequence", "held")
    SENT = "sent", gettext_lazy("sent")
    SKIPPED = "skipped", gettext_lazy("skipped")
    STOPPED = "stopped", gettext_lazy("stopped")


class NoticeKind(TextChoices):
    """What people are told of; funnel/notice_kinds.py says whom, and how it reaches them unless they choose."""

    GIVEN = "given", gettext_lazy("Given to you")
    DEADLINE = "deadline", gettext_lazy("Your deadline is close")
    ACTED = "acted", gettext_lazy("Your contact got in touch")
    DUE = "due", gettext_lazy("An agreed date has come, or a conversation went quiet")
    TAKEN = "taken", gettext_lazy("Taken from you")
    STAGE = "stage", gettext_lazy("A contact of yours fell back or became a customer")
    QUEUE = "queue", gettext_lazy("In the queue")
    WON = "won", gettext_lazy("Won")
    RETURNED = "returned", gettext_lazy("Returned to Marketing")
    ESCALATED = "escalated", gettext_lazy("Not claimed in time")
    STARVING = "starving", gettext_lazy("The queue waits too long")
    MOVED = "moved", gettext_lazy("Released or passed on in the team")
    SEQUENCE = "sequence", gettext_lazy("A sequence ended")
    DEFINITION = "definition", gettext_lazy("About a definition")
    HOOK = "hook", gettext_lazy("A webhook in trouble")
    PROOF = "proof", gettext_lazy("A check of the data found something wrong")
    OPERATION = "operation", gettext_lazy("Ripen itself is in trouble")


class MailMode(TextChoices):
    """Whether, and how soon, something is mailed to a person."""

    NEVER = "never", gettext_lazy("No e-mail")
    AT_ONCE = "at_once", gettext_lazy("At once")
    DIGEST = "digest", gettext_lazy("In the digest")


class RoutingMode(TextChoices):
    """How a routing rule chooses who gets an offer."""

    ROUND_ROBIN = "round_robin", gettext_lazy("in turn, by free capacity")
    COMPANY_OWNER = "company_owner", gettext_lazy("the rep who has the company")
    TERRITORY = "territory", gettext_lazy("a rep who looks after the country or language")
    QUEUE = "queue", gettext_lazy("nobody: the queue")


class DeliveryState(TextChoices):
    """What becomes of a message on its way to a webhook's endpoint."""

    WAITING = "waiting", gettext_lazy("waiting")
    DELIVERED = "delivered", gettext_lazy("delivered")
    DEAD = "dead", gettext_lazy("dead letter")


class DisableReason(TextChoices):
    """Why an endpoint is told nothing any more."""

    BY_HAND = "by_hand", gettext_lazy("Disabled by a person")
    GONE = "gone", gettext_lazy("Its receiver answered 410 Gone")
    FAILING = "failing", gettext_lazy("It failed for too long")


class HookFault(TextChoices):
    """What kept a receiver from taking a message; the first nine are those of funnel/hooks/exchange.py."""

    REFUSED = "refused_destination", gettext_lazy("Destination not allowed")
    UNRESOLVED = "name_not_found", gettext_lazy("Name not found")
    UNREACHABLE = "unreachable", gettext_lazy("Cannot be reached")
    TLS = "tls", gettext_lazy("No secure connection")
    TIMEOUT = "timeout", gettext_lazy("No answer in time")
    BROKEN = "broken_answer", gettext_lazy("Broken answer")
    REDIRECT = "redirect", gettext_lazy("Redirect")
    GONE = "gone", pgettext_lazy("410", "Gone")
    STATUS = "status", gettext_lazy("Refused by the receiver")
    INTERRUPTED = "interrupted", gettext_lazy("Interrupted again and again")
    DISABLED = "disabled", gettext_lazy("Endpoint disabled")
