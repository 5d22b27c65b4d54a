"""Closed vocabularies of the facts app, and the event kinds Ripen ships."""

from dataclasses import dataclass

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy, pgettext_lazy


class Initiator(TextChoices):
    """Who began the act that an event reports."""

    US = "us", pgettext_lazy("who began it", "us")
    THEM = "them", gettext_lazy("the contact")
    BOTH = "both", gettext_lazy("both sides")
    THIRD_PARTY = "third", gettext_lazy("a third party")
    UNKNOWN = "", gettext_lazy("unknown")


class Reach(TextChoices):
    """How many people the act addressed."""

    MANY = "many", gettext_lazy("one-to-many")
    ONE = "one", gettext_lazy("one-to-one")
    UNKNOWN = "", gettext_lazy("unknown")


class Answer(TextChoices):
    """A gate's answer. Unknown lets a contact in and becomes a question for the rep."""

    YES = "yes", gettext_lazy("yes")
    NO = "no", gettext_lazy("no")
    UNKNOWN = "unknown", gettext_lazy("unknown")


class IdentityKind(TextChoices):
    """What names a contact, strongest first where two disagree: external id, e-mail, anonymous id."""

    EXTERNAL_ID = "external_id", gettext_lazy("external id")
    EMAIL = "email", gettext_lazy("e-mail")
    ANONYMOUS_ID = "anonymous_id", gettext_lazy("anonymous id")


class Direction(TextChoices):
    """Who found whom."""

    INBOUND = "inbound", gettext_lazy("inbound")
    OUTBOUND = "outbound", gettext_lazy("outbound")
    UNKNOWN = "", gettext_lazy("unknown")


class Motion(TextChoices):
    """Which marketing motion brought the contact."""

    DEMAND_GENERATION = "demand_generation", gettext_lazy("demand generation")
    LEAD_GENERATION = "lead_generation", gettext_lazy("lead generation")
    UNKNOWN = "", gettext_lazy("unknown")


class SourceKind(TextChoices):
    """Where a write key lives. A public key is readable by anybody, so it may do less."""

    SERVER = "server", pgettext_lazy("where a key lives", "server")
    PUBLIC = "public", gettext_lazy("public (browser)")
    INTERNAL = "internal", gettext_lazy("Ripen itself")


class Scope(TextChoices):
    """What a key or token may do, as in API.md."""

    EVENTS_WRITE = "events:write", gettext_lazy("write events")
    CONTACTS_READ = "contacts:read", gettext_lazy("read contacts")
    CONTACTS_WRITE = "contacts:write", gettext_lazy("write contacts")
    HANDOFFS_READ = "handoffs:read", gettext_lazy("read handoffs")
    HANDOFFS_WRITE = "handoffs:write", gettext_lazy("work handoffs")
    DEFINITIONS_READ = "definitions:read", gettext_lazy("read definitions")
    DEFINITIONS_WRITE = "definitions:write", gettext_lazy("change definitions")
    FUNNEL_READ = "funnel:read", gettext_lazy("read funnel figures")
    HOOKS_WRITE = "hooks:write", gettext_lazy("manage webhooks")


class Role(TextChoices):
    """The groups people belong to; each is a django.contrib.auth group of that name."""

    MARKETER = "marketer", gettext_lazy("Marketer")
    REP = "rep", gettext_lazy("Sales rep")
    MANAGER = "manager", gettext_lazy("Manager")
    ADMIN = "admin", gettext_lazy("Administrator")


class CorrectionAction(TextChoices):
    """What was done to an event that is in the log and stays there."""

    RETRACTED = "retracted", gettext_lazy("retracted")
    RESTORED = "restored", gettext_lazy("restored")
    RECLASSIFIED = "reclassified", gettext_lazy("reclassified")


class WorkState(TextChoices):
    """Where a piece of long work stands; the last three are final."""

    QUEUED = "queued", gettext_lazy("waiting")
    RUNNING = "running", gettext_lazy("running")
    FINISHED = "finished", gettext_lazy("finished")
    FAILED = "failed", gettext_lazy("failed")
    CANCELLED = "cancelled", gettext_lazy("cancelled")


class JobKind(TextChoices):
    """Long work on facts that a worker does in the background."""

    IMPORT_CONTACTS = "import_contacts", gettext_lazy("import of contacts")
    IMPORT_EVENTS = "import_events", gettext_lazy("import of events")
    FIND_DUPLICATES = "find_duplicates", gettext_lazy("search for duplicates")
    ERASE = "erase", gettext_lazy("erasure")
    EXPORT_PERSON = "export_person", gettext_lazy("export of a person's data")
    ACT = "act", gettext_lazy("act on many contacts")


class ErasureReason(TextChoices):
    """Why a person is erased. The order stays when the person is gone, so it says no more than this."""

    ASKED = "asked", gettext_lazy("they asked for it")
    NOT_NEEDED = "not_needed", gettext_lazy("the data is not needed any more")
    UNLAWFUL = "unlawful", gettext_lazy("we should never have had it")
    TEST = "test", gettext_lazy("it was test data")


class WireFormat(TextChoices):
    """How a message was written when it arrived; what reads it again when it is replayed."""

    NATIVE = "native", "Ripen"
    SEGMENT = "segment", "Segment"
    POSTHOG = "posthog", "PostHog"
    EMAIL = "email", gettext_lazy("e-mail provider")
    FORM = "form", gettext_lazy("form")


class SuggestedBy(TextChoices):
    """Who thinks that two contacts are one person."""

    MESSAGE = "message", gettext_lazy("a message named both")
    FINDER = "finder", gettext_lazy("they look alike")


class MergeDecision(TextChoices):
    """What became of a suggestion."""

    OPEN = "", pgettext_lazy("not decided yet", "open")
    MERGED = "merged", gettext_lazy("merged")
    DISMISSED = "dismissed", gettext_lazy("different people")


class ConsentAction(TextChoices):
    """What was said about being written to."""

    GRANTED = "granted", gettext_lazy("granted")
    WITHDRAWN = "withdrawn", gettext_lazy("withdrawn")


class ConsentBasis(TextChoices):
    """On which ground of Article 6 GDPR somebody is written to."""

    CONSENT = "consent", gettext_lazy("consent")
    CONTRACT = "contract", gettext_lazy("contract")
    LEGITIMATE_INTEREST = "legitimate_interest", gettext_lazy("legitimate interest")


class SuppressionReason(TextChoices):
    """Why nothing is sent to an address any more."""

    UNSUBSCRIBED = "unsubscribed", gettext_lazy("unsubscribed")
    COMPLAINED = "complained", gettext_lazy("complained of spam")
    BOUNCED = "bounced", gettext_lazy("the address does not exist")
    OBJECTED = "objected", gettext_lazy("objected")
    BY_HAND = "by_hand", gettext_lazy("suppressed by a person")


class MailState(TextChoices):
    """Where a mail that Ripen itself sends stands."""

    WAITING = "waiting", gettext_lazy("waiting")
    SENT = "sent", gettext_lazy("sent")
    FAILED = "failed", gettext_lazy("failed")
    DROPPED = "dropped", gettext_lazy("not sent: the address is suppressed")


@dataclass(frozen=True, slots=True)
class ShippedKind:
    """One event kind of the contract. ``id`` is fixed for ever: it is stored in every event."""

    id: int
    name: str
    initiator: Initiator = Initiator.UNKNOWN
    reach: Reach = Reach.UNKNOWN
    two_way: bool = False
    system: bool = False


_US, _THEM, _BOTH, _THIRD = Initiator.US, Initiator.THEM, Initiator.BOTH, Initiator.THIRD_PARTY
_MANY, _ONE = Reach.MANY, Reach.ONE

SHIPPED_KINDS: tuple[ShippedKind, ...] = (
    ShippedKind(1, "list_imported", _US, _MANY),
    ShippedKind(2, "email_sent", _US, _MANY),
    ShippedKind(3, "direct_mail_sent", _US, _MANY),
    ShippedKind(4, "ad_shown", _US, _MANY),
    ShippedKind(5, "email_delivered", _US, _MANY),
    ShippedKind(6, "email_opened", _THEM, _MANY),
    ShippedKind(7, "email_clicked", _THEM, _MANY),
    ShippedKind(8, "email_replied", _THEM, _ONE, two_way=True),
    ShippedKind(9, "email_bounced"),
    ShippedKind(10, "email_complained"),
    ShippedKind(11, "unsubscribed"),
    ShippedKind(12, "newsletter_subscribed", _THEM),
    ShippedKind(13, "details_confirmed", _THEM),
    ShippedKind(14, "page_viewed", _THEM),
    ShippedKind(15, "form_submitted", _THEM, _ONE),
    ShippedKind(16, "asset_downloaded", _THEM, _ONE),
    ShippedKind(17, "event_registered", _THEM, _ONE),
    ShippedKind(18, "event_attended", _THEM, _ONE),
    ShippedKind(19, "webinar_subscribed", _THEM, _ONE),
    ShippedKind(20, "blog_commented", _THEM),
    ShippedKind(21, "social_liked", _THEM),
    ShippedKind(22, "social_shared", _THEM),
    ShippedKind(23, "social_question", _THEM, _ONE),
    ShippedKind(24, "trade_show_conversation", _BOTH, _ONE, two_way=True),
    ShippedKind(25, "networking_met", _BOTH, _ONE, two_way=True),
    ShippedKind(26, "call_connected", _BOTH, _ONE, two_way=True),
    ShippedKind(27, "chat_started", _THEM, _ONE, two_way=True),
    ShippedKind(28, "meeting_requested", _THEM, _ONE),
    ShippedKind(29, "meeting_held", _BOTH, _ONE, two_way=True),
    ShippedKind(30, "demo_requested", _THEM, _ONE),
    ShippedKind(31, "pricing_requested", _THEM, _ONE),
    ShippedKind(32, "trial_started", _THEM),
    ShippedKind(33, "referred", _THIRD),
    ShippedKind(34, "sequence_completed", _US),
    ShippedKind(35, "purchased", _THEM),
    ShippedKind(36, "refunded"),
    ShippedKind(37, "churned"),
    # What a person of ours did; none of it is a sign of the contact's interest.
    ShippedKind(38, "call_attempted", _US, _ONE),
    ShippedKind(39, "email_written", _US, _ONE),
    ShippedKind(40, "note_added", _US, _ONE),
    ShippedKind(101, "handoff_claimed", system=True),
    ShippedKind(102, "handoff_accepted", system=True),
    ShippedKind(103, "handoff_returned", system=True),
    ShippedKind(104, "handoff_expired", system=True),
    ShippedKind(105, "handoff_withdrawn", system=True),
    ShippedKind(106, "stage_pinned", system=True),
    ShippedKind(107, "stage_unpinned", system=True),
    ShippedKind(108, "converted", system=True),
    ShippedKind(109, "handoff_released", system=True),
    ShippedKind(110, "handoff_reassigned", system=True),
)

TWO_WAY_KIND_IDS: tuple[int, ...] = tuple(kind.id for kind in SHIPPED_KINDS if kind.two_way)

# Unknown kinds that sources send get ids from here on, below is room for future shipped ones.
FIRST_UNMAPPED_KIND_ID = 1000
