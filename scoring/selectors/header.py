"""What every page about one contact shows on top: who it is and where it stands."""

from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.core.exceptions import ObjectDoesNotExist

from config.web.formats import format_day
from config.web.ui import MenuItem, Step, steps_of
from contacts.models import Contact, Standing
from contacts.permissions import can_erase_contacts, can_export, can_log_activity, can_merge
from scoring.definition import DefinitionDocument
from scoring.models import Definition
from scoring.selectors.definitions import published_definition


@dataclass(frozen=True, slots=True)
class ContactHeader:
    """A contact as the head of its pages shows it.

    ``standing`` is None for the moment between a contact's arrival and its first judgement. Scores, as of
    ``scores_at``, and thresholds are in thousandths of a point; a threshold is what the strictest stage asks for.
    """

    contact: Contact
    standing: Standing | None
    definition: Definition
    document: DefinitionDocument
    steps: tuple[Step, ...]
    fit_needed: int
    engagement_needed: int
    engagement_mp: int
    fit_mp: int
    scores_at: datetime | None
    may_log: bool
    actions: tuple[MenuItem, ...]

    @property
    def stage_label(self) -> str:
        """The definition's label of the present stage."""
        return self.document.stage(self.standing.stage).label if self.standing else ""

    @property
    def owner(self) -> User | None:
        """The person who owns the contact; None means that Marketing does."""
        return self.standing.owner if self.standing else None


def contact_header(*, contact_id: int, user: User, now: datetime) -> ContactHeader:
    """Return the head of a contact's pages; two queries beside those of the permissions.

    Raises ``Contact.DoesNotExist``, also for a contact that was merged into another.
    """
    contact = Contact.objects.select_related("company", "standing__owner").get(pk=contact_id, present=True)
    try:
        standing: Standing | None = contact.standing
    except ObjectDoesNotExist:
        standing = None
    definition, document = published_definition()
    stages = [(stage.key, stage.label) for stage in document.stages]
    steps: tuple[Step, ...] = ()
    if standing is not None:
        current: str = document.stage(standing.stage).key
        since: dict[str, str] = {current: f"since {format_day(standing.stage_since, now=now)}"}
        furthest = document.stage(standing.furthest_stage).key
        steps = tuple(steps_of(stages, current=current, furthest=furthest, notes=since))
    return ContactHeader(
        contact=contact,
        standing=standing,
        definition=definition,
        document=document,
        steps=steps,
        fit_needed=round(document.fit_threshold * 1_000),
        engagement_needed=engagement_needed(document),
        engagement_mp=standing.engagement_mp if standing else 0,
        fit_mp=standing.fit_mp if standing else 0,
        scores_at=standing.evaluated_at if standing else None,
        may_log=can_log_activity(user, contact),
        actions=_actions(user, contact_id),
    )


def _actions(user: User, contact_id: int) -> tuple[MenuItem, ...]:
    """What else can be done to the contact; the pages live in several apps, so they are told by address."""
    place = f"/contacts/{contact_id}"
    items = [MenuItem("Consent", f"{place}/consent/", "mail-check")]
    if can_merge(user):
        items.append(MenuItem("Merge with another", f"{place}/merge/", "merge"))
    if can_export(user):
        items.append(MenuItem("Events as CSV", f"/exports{place}/events.csv", "download"))
    if can_erase_contacts(user):
        items.append(MenuItem("Export or erase", f"{place}/privacy/", "shield"))
    return tuple(items)


def engagement_needed(document: DefinitionDocument) -> int:
    """Return the most engagement that entering any stage asks for, in thousandths of a point; 0 where none does."""
    asked = [leaf.engagement.at_least for leaf in document.leaves() if leaf.engagement]
    return round(max(asked, default=0.0) * 1_000)
