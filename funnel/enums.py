"""Closed vocabularies of the consequence app."""

from django.db.models import TextChoices


class HandoffState(TextChoices):
    """offered -> claimed -> accepted -> won | returned; an unclaimed offer may expire or be withdrawn.

    ``suspended``: its contact became part of another that has an open handoff of its own; it comes back when they part.
    """

    OFFERED = "offered", "offered"
    CLAIMED = "claimed", "claimed"
    ACCEPTED = "accepted", "accepted"
    WON = "won", "won"
    RETURNED = "returned", "returned"
    EXPIRED = "expired", "expired"
    WITHDRAWN = "withdrawn", "withdrawn"
    SUSPENDED = "suspended", "suspended"


OPEN_STATES = (HandoffState.OFFERED, HandoffState.CLAIMED, HandoffState.ACCEPTED)


class ReturnReason(TextChoices):
    """Why a rep hands a contact back to Marketing."""

    NO_RESPONSE = "no_response", "No response"
    NO_WANT = "no_want", "Does not want it"
    CANNOT_BUY_NOW = "cannot_buy_now", "Cannot buy now"
    NO_AUTHORITY = "no_authority", "No authority to buy"
    NO_MEANS = "no_means", "No means to buy"
    BAD_DATA = "bad_data", "Bad data"
    DUPLICATE = "duplicate", "Duplicate"
    OTHER = "other", "Other"


class MoveName(TextChoices):
    """What can be done with a handoff; funnel/moves.py says from where to where, and who may."""

    OFFER = "offer", "offered"
    ASSIGN = "assign", "kept for a rep"
    CLAIM = "claim", "claimed"
    ACCEPT = "accept", "accepted"
    OUTCOME = "outcome", "interim result recorded"
    RELEASE = "release", "released"
    REASSIGN = "reassign", "reassigned"
    TAKE_OVER = "take over", "taken over"
    RETURN = "return", "returned"
    WIN = "win", "won"
    EXPIRE = "expire", "expired"
    WITHDRAW = "withdraw", "withdrawn"
    CLOSE_AS_WON = "close as won", "closed as won"
    SUSPEND = "suspend", "suspended"
    RESUME = "resume", "resumed"
    GIVE_UP = "give up", "given up"


class ReleaseReason(TextChoices):
    """Why a handoff went back to the queue without going back to Marketing."""

    BY_HAND = "by_hand", "Released by a person"
    NO_ATTEMPT = "no_attempt", "No attempt in time"
    REP_AWAY = "rep_away", "The rep left or is away"


class InterimOutcome(TextChoices):
    """What came of a conversation so far; it stays open."""

    NO_ANSWER = "no_answer", "No answer yet"
    IN_TALKS = "in_talks", "In talks"
    MEETING_AGREED = "meeting_agreed", "Meeting agreed"
    PROPOSAL_SENT = "proposal_sent", "Proposal sent"
    WAITING = "waiting", "Waiting for them"
    LATER = "later", "Later"


class AnnouncementType(TextChoices):
    """What is told: to webhooks (the types of API.md and a few more), to people, or to both."""

    STAGE_CHANGED = "contact.stage_changed", "Stage changed"
    CONTACT_MERGED = "contact.merged", "Contacts merged"
    CONTACT_PARTED = "contact.parted", "Merge undone"
    CONTACT_ERASED = "contact.erased", "Contact erased"
    OFFERED = "handoff.offered", "Handoff offered"
    CLAIMED = "handoff.claimed", "Handoff claimed"
    ACCEPTED = "handoff.accepted", "Handoff accepted"
    RELEASED = "handoff.released", "Handoff released"
    REASSIGNED = "handoff.reassigned", "Handoff reassigned"
    RETURNED = "handoff.returned", "Handoff returned"
    EXPIRED = "handoff.expired", "Handoff expired"
    WITHDRAWN = "handoff.withdrawn", "Handoff withdrawn"
    WON = "handoff.won", "Handoff won"
    WARNED = "handoff.warned", "Handoff close to its deadline"
    STARVING = "queue.starving", "Handoffs wait too long"
    STEP_DUE = "sequence.step_due", "Step of a sequence due"
    SEQUENCE_ENDED = "sequence.ended", "Sequence ended"
    HOOK_FAILING = "hook.failing", "Webhook receiver fails"
    HOOK_DISABLED = "hook.disabled", "Webhook endpoint disabled"


class SequenceState(TextChoices):
    """A draft is written; an active sequence enrols and sends; in a paused one all clocks stand still."""

    DRAFT = "draft", "draft"
    ACTIVE = "active", "active"
    PAUSED = "paused", "paused"


class StepChannel(TextChoices):
    """How a step of a sequence reaches the contact."""

    EMAIL = "email", "E-mail sent by Ripen"
    WEBHOOK = "webhook", "Webhook to the tool that sends"


class EnrolmentState(TextChoices):
    """Where a contact's way through a sequence stands; the last two are final."""

    ACTIVE = "active", "under way"
    COMPLETED = "completed", "completed"
    STOPPED = "stopped", "stopped"


class EnrolledBy(TextChoices):
    """What brought a contact into a sequence."""

    ENTRY = "entry", "entered the stage"
    BACKFILL = "backfill", "stood there already"
    HAND = "hand", "enrolled by hand"


class StopReason(TextChoices):
    """Why a contact's way through a sequence ended before its last step."""

    STAGE_CHANGED = "stage_changed", "left the stage"
    REPLIED = "replied", "talked with us"
    CLAIMED = "claimed", "Sales is in conversation with them"
    UNSUBSCRIBED = "unsubscribed", "unsubscribed"
    BOUNCED = "bounced", "the mail bounced"
    COMPLAINED = "complained", "complained of spam"
    REFUSED = "refused", "refused this purpose"
    SUPPRESSED = "suppressed", "the address is suppressed"
    NOT_OURS = "not_ours", "not ours to write to"
    NOTHING_SENT = "nothing_sent", "no step could be sent"
    BY_HAND = "by_hand", "stopped by a person"
    MERGED = "merged", "became part of a contact that is in it already"
    ERASED = "erased", "the person was erased"


class StepState(TextChoices):
    """What becomes of one step for one contact. ``held``: it waits, and the sequence is paused."""

    WAITING = "waiting", "waiting"
    HELD = "held", "held"
    SENT = "sent", "sent"
    SKIPPED = "skipped", "skipped"
    STOPPED = "stopped", "stopped"


class NoticeKind(TextChoices):
    """What people are told of; funnel/notice_kinds.py says whom, and how it reaches them unless they choose."""

    GIVEN = "given", "Given to you"
    DEADLINE = "deadline", "Your deadline is close"
    ACTED = "acted", "Your contact got in touch"
    DUE = "due", "An agreed date has come, or a conversation went quiet"
    TAKEN = "taken", "Taken from you"
    STAGE = "stage", "A contact of yours fell back or became a customer"
    QUEUE = "queue", "In the queue"
    WON = "won", "Won"
    RETURNED = "returned", "Returned to Marketing"
    ESCALATED = "escalated", "Not claimed in time"
    STARVING = "starving", "The queue waits too long"
    MOVED = "moved", "Released or passed on in the team"
    SEQUENCE = "sequence", "A sequence ended"
    DEFINITION = "definition", "About a definition"
    HOOK = "hook", "A webhook in trouble"


class MailMode(TextChoices):
    """Whether, and how soon, something is mailed to a person."""

    NEVER = "never", "No e-mail"
    AT_ONCE = "at_once", "At once"
    DIGEST = "digest", "In the digest"


class RoutingMode(TextChoices):
    """How a routing rule chooses who gets an offer."""

    ROUND_ROBIN = "round_robin", "in turn, by free capacity"
    COMPANY_OWNER = "company_owner", "the rep who has the company"
    TERRITORY = "territory", "a rep who looks after the country or language"
    QUEUE = "queue", "nobody: the queue"


class DeliveryState(TextChoices):
    """What becomes of a message on its way to a webhook's endpoint."""

    WAITING = "waiting", "waiting"
    DELIVERED = "delivered", "delivered"
    DEAD = "dead", "dead letter"


class DisableReason(TextChoices):
    """Why an endpoint is told nothing any more."""

    BY_HAND = "by_hand", "Disabled by a person"
    GONE = "gone", "Its receiver answered 410 Gone"
    FAILING = "failing", "It failed for too long"


class HookFault(TextChoices):
    """What kept a receiver from taking a message; the first nine are those of funnel/hooks/exchange.py."""

    REFUSED = "refused_destination", "Destination not allowed"
    UNRESOLVED = "name_not_found", "Name not found"
    UNREACHABLE = "unreachable", "Cannot be reached"
    TLS = "tls", "No secure connection"
    TIMEOUT = "timeout", "No answer in time"
    BROKEN = "broken_answer", "Broken answer"
    REDIRECT = "redirect", "Redirect"
    GONE = "gone", "Gone"
    STATUS = "status", "Refused by the receiver"
    INTERRUPTED = "interrupted", "Interrupted again and again"
    DISABLED = "disabled", "Endpoint disabled"
