"""What the published definition says about stages, as the consequence app asks it."""

from collections.abc import Sequence

from contacts.enums import Answer
from contacts.models import Contact
from scoring.definition import Gate, Stage
from scoring.selectors import document_in_force


def handoff_stages() -> frozenset[str]:
    """Keys of the stages whose contacts are offered to Sales."""
    document = document_in_force()
    return frozenset(stage.key for stage in document.stages if stage.handoff)


def stage_of(key: str) -> Stage:
    """The stage with this key; an unused key gives the next weaker stage in use."""
    document = document_in_force()
    return document.stage(key)


def stage_label(key: str) -> str:
    """The label that the published definition gives to a stage."""
    return stage_of(key).label


def open_questions_of(contacts: Sequence[Contact]) -> dict[int, tuple[Gate, ...]]:
    """The gates whose answer nobody knows yet, for each contact id: what the rep should ask."""
    document = document_in_force()
    return {
        contact.pk: tuple(
            gate for gate in document.gates if _answer(contact, gate.attribute) in (None, "", Answer.UNKNOWN)
        )
        for contact in contacts
    }


def _answer(contact: Contact, attribute: str) -> object:
    """The contact's present value of a gate's attribute: a column, or a key of its free attributes."""
    name = attribute.removeprefix("attributes.")
    if name == attribute and hasattr(contact, name):
        return getattr(contact, name)
    return contact.attributes.get(name)


def sla_hours() -> dict[str, float]:
    """Business hours within which an offer of each stage is to be claimed, for the stages whose definition says so."""
    document = document_in_force()
    return {stage.key: float(stage.sla_hours) for stage in document.stages if stage.sla_hours}
