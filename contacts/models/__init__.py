"""The facts: append-only records of who contacts are and what they did."""

from contacts.models.access import PersonalToken, Source
from contacts.models.company import Company, CompanyChange
from contacts.models.contact import AttributeChange, Contact, Identity, MergeSuggestion
from contacts.models.correction import EventCorrection
from contacts.models.event import Due, Event, Kind, Message
from contacts.models.imports import ImportRun
from contacts.models.standing import Standing

__all__ = [
    "AttributeChange",
    "Company",
    "CompanyChange",
    "Contact",
    "Due",
    "Event",
    "EventCorrection",
    "Identity",
    "ImportRun",
    "Kind",
    "MergeSuggestion",
    "Message",
    "PersonalToken",
    "Source",
    "Standing",
]
