"""Closed vocabularies of the judgement app."""

from django.db.models import TextChoices


class DefinitionState(TextChoices):
    """A draft is edited in place; a published version never changes again."""

    DRAFT = "draft", "draft"
    PUBLISHED = "published", "published"


class Cause(TextChoices):
    """What made a moment of a contact's timeline, and so a transition."""

    EVENT = "event", "an event"
    ATTRIBUTE = "attribute", "an attribute became known"
    TIME = "time", "time passed"
    PUBLICATION = "publication", "a definition was published"
    CREATED = "created", "the contact became known"


class Team(TextChoices):
    """Who must agree before a definition that asks for it is published."""

    MARKETING = "marketing", "Marketing"
    SALES = "sales", "Sales"


class RunKind(TextChoices):
    """Long work on a definition that a worker does in the background."""

    WHAT_IF = "what_if", "what-if"
    COMPARE = "compare", "comparison"
    BACKTEST = "backtest", "backtest"
    PUBLISH = "publish", "publication"
    ROLL_BACK = "roll_back", "roll-back"
    LEARN = "learn", "training"


class ModelState(TextChoices):
    """A learned score: ready to be used, replaced by a later training, or switched off with a reason."""

    READY = "ready", "ready"
    REPLACED = "replaced", "replaced"
    DISABLED = "disabled", "disabled"
