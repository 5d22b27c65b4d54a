"""Closed vocabularies of the judgement app."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy


class DefinitionState(TextChoices):
    """A draft is edited in place; a published version never changes again."""

    DRAFT = "draft", gettext_lazy("draft")
    PUBLISHED = "published", gettext_lazy("published")


class Cause(TextChoices):
    """What made a moment of a contact's timeline, and so a transition."""

    EVENT = "event", gettext_lazy("an event")
    ATTRIBUTE = "attribute", gettext_lazy("an attribute became known")
    TIME = "time", gettext_lazy("time passed")
    PUBLICATION = "publication", gettext_lazy("a definition was published")
    CREATED = "created", gettext_lazy("the contact became known")


class Team(TextChoices):
    """Who must agree before a definition that asks for it is published."""

    MARKETING = "marketing", gettext_lazy("Marketing")
    SALES = "sales", gettext_lazy("Sales")


class RunKind(TextChoices):
    """Long work on a definition that a worker does in the background."""

    WHAT_IF = "what_if", gettext_lazy("what-if")
    COMPARE = "compare", gettext_lazy("comparison")
    BACKTEST = "backtest", gettext_lazy("backtest")
    PUBLISH = "publish", gettext_lazy("publication")
    ROLL_BACK = "roll_back", gettext_lazy("roll-back")
    LEARN = "learn", gettext_lazy("training")


class ModelState(TextChoices):
    """A learned score: ready to be used, replaced by a later training, or switched off with a reason."""

    READY = "ready", gettext_lazy("ready")
    REPLACED = "replaced", gettext_lazy("replaced")
    DISABLED = "disabled", gettext_lazy("disabled")
