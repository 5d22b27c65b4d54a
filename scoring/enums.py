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
