"""What every page about one contact shows on top: who it is and where it stands."""

from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Exists, OuterRef
from django.utils.translation import gettext

from config.web.formats import format_day
from config.web.ui import MenuItem, Step, steps_of
from contacts.models import Contact, Due, Standing
from contacts.permissions import (
    can_act_on_contacts,
    can_erase_contacts,
    can_export,
    can_log_activity,
    can_merge,
    can_pin_stage,
)
from contacts.selectors.browse import tag_names
from contacts.selectors.views import tags_of
from scoring.definition import DefinitionDocument
from scoring.models import Definition
from scoring.selectors.definitions import published_definition
from scoring.selectors.pins import ShownPin, shown_pin


@dataclass(frozen=True, slots=True)
class ContactHeader:
    """A contact as the head of its pages shows it.

    ``standing`` is None for the moment between a contact's arrival and its first judgement. ``stage_key`` is the stage
    shown: the judged one, or that of ``pin``. Scores, as of ``scores_at``, and thresholds are in thousandths of a
    point; a threshold is what the strictest stage asks for. ``waiting``: facts came in that are not judged yet.
    ``known_tags`` are those there are, for whoever may tag the contact.
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
    waiting: bool
    pin: ShownPin | None
    tags: tuple[str, ...]
    known_tags: tuple[str, ...]
    may_tag: bool
    may_log: bool
    may_pin: bool
    actions: tuple[MenuItem, ...]

    @property
    def stage_key(self) -> str:
        """The key of the stage shown; ``""`` where nothing is judged yet."""
        if self.pin is not None and self.pin.is_shown:
            return self.pin.stage.key
        return self.document.stage(self.standing.stage).key if self.standing else ""

    @property
    def stage_label(self) -> str:
        """The definition's label of the stage shown."""
        return self.document.stage(self.stage_key).label if self.stage_key else ""

    @property
    def judged_label(self) -> str:
        """The definition's label of the judged stage, whatever is pinned."""
        return self.document.stage(self.standing.stage).label if self.standing else ""

    @property
    def owner(self) -> User | None:
        """The person who owns the contact; None means that Marketing does."""
        return self.standing.owner if self.standing else None


def contact_header(*, contact_id: int, user: User, now: datetime) -> ContactHeader:
    """Return the head of a contact's pages; four queries beside those of the permissions.

    One more for whoever may tag the contact, and those of a gated pin. Raises ``Contact.DoesNotExist``, also for
    a contact that was merged into another.
    """
    due = Due.objects.filter(contact=OuterRef("pk"))
    rows = Contact.objects.select_related("company", "standing__owner").annotate(waiting=Exists(due))
    contact = rows.get(pk=contact_id, present=True)
    try:
        standing: Standing | None = contact.standing
    except ObjectDoesNotExist:
        standing = None
    definition, document = published_definition()
    pin = shown_pin(contact_id, document, at=now)
    may_tag = can_act_on_contacts(user)
    return ContactHeader(
        contact=contact,
        standing=standing,
        definition=definition,
        document=document,
        steps=_steps(document, standing, pin, now),
        fit_needed=round(document.fit_threshold * 1_000),
        engagement_needed=engagement_needed(document),
        engagement_mp=standing.engagement_mp if standing else 0,
        fit_mp=standing.fit_mp if standing else 0,
        scores_at=standing.evaluated_at if standing else None,
        waiting=contact.waiting,
        pin=pin,
        tags=tuple(tags_of([contact_id]).get(contact_id, ())),
        known_tags=tuple(tag_names()) if may_tag else (),
        may_tag=may_tag,
        may_log=can_log_activity(user, contact),
        may_pin=can_pin_stage(user),
        actions=_actions(user, contact_id, pin),
    )


def _steps(
    document: DefinitionDocument, standing: Standing | None, pin: ShownPin | None, now: datetime
) -> tuple[Step, ...]:
    """The stages as a track; a pin that is shown says until when, and the judged stage says that it is."""
    if standing is None:
        return ()
    stages = [(stage.key, stage.label) for stage in document.stages]
    judged: str = document.stage(standing.stage).key
    since = gettext("since %(day)s") % {"day": format_day(standing.stage_since, now=now)}
    current, notes = judged, {judged: since}
    if pin is not None and pin.is_shown:
        current = pin.stage.key
        until = format_day(pin.pin.until, now=now)
        notes = {judged: gettext("judged, since %(day)s") % {"day": format_day(standing.stage_since, now=now)}}
        notes[current] = gettext("pinned until %(day)s") % {"day": until}
    furthest = document.stage(standing.furthest_stage).key
    return tuple(steps_of(stages, current=current, furthest=furthest, notes=notes))


def _actions(user: User, contact_id: int, pin: ShownPin | None) -> tuple[MenuItem, ...]:
    """What else can be done to the contact; the pages live in several apps, so they are told by address."""
    place = f"/contacts/{contact_id}"
    items = []
    if can_pin_stage(user):
        items.append(MenuItem(gettext("Change the pin") if pin else gettext("Pin a stage"), f"{place}/pin/", "pin"))
    if can_merge(user):
        items.append(MenuItem(gettext("Merge with another"), f"{place}/merge/", "merge"))
    if can_export(user):
        items.append(MenuItem(gettext("Events as CSV"), f"/exports{place}/events.csv", "download"))
    if can_erase_contacts(user):
        items.append(MenuItem(gettext("Export or erase"), f"{place}/privacy/", "shield"))
    return tuple(items)


def engagement_needed(document: DefinitionDocument) -> int:
    """Return the most engagement that entering any stage asks for, in thousandths of a point; 0 where none does."""
    asked = [leaf.engagement.at_least for leaf in document.leaves() if leaf.engagement]
    return round(max(asked, default=0.0) * 1_000)
