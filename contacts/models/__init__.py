"""The facts: append-only records of who contacts are and what they did."""

from contacts.models.access import PersonalToken, Source
from contacts.models.audit import AuditEntry, FailedSignIn
from contacts.models.capture import EmailHook, Form, FormSubmission, Mail
from contacts.models.company import Company, CompanyChange
from contacts.models.consent import ConsentEntry, ErasedName, Purpose, Suppression
from contacts.models.contact import AttributeChange, Contact, Identity
from contacts.models.correction import EventCorrection
from contacts.models.event import Due, Event, Kind, Message
from contacts.models.imports import ImportRun, SavedMapping
from contacts.models.lists import ContactTag, ListColumns, SavedView, Tag
from contacts.models.merge import Merge, MergeSuggestion
from contacts.models.people import Invitation, Preferences
from contacts.models.problems import RejectedMessage, SourceWarning
from contacts.models.standing import Standing
from contacts.models.work import Job, Work

__all__ = [
    "AttributeChange",
    "AuditEntry",
    "Company",
    "CompanyChange",
    "ConsentEntry",
    "Contact",
    "ContactTag",
    "Due",
    "EmailHook",
    "ErasedName",
    "Event",
    "EventCorrection",
    "FailedSignIn",
    "Form",
    "FormSubmission",
    "Identity",
    "ImportRun",
    "Invitation",
    "Job",
    "Kind",
    "ListColumns",
    "Mail",
    "Merge",
    "MergeSuggestion",
    "Message",
    "PersonalToken",
    "Preferences",
    "Purpose",
    "RejectedMessage",
    "SavedMapping",
    "SavedView",
    "Source",
    "SourceWarning",
    "Standing",
    "Suppression",
    "Tag",
    "Work",
]
