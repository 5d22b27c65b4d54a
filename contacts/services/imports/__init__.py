"""CSV imports: rows of a file become facts through record_events, the one way in."""

from contacts.services.imports.running import ImportSummary, import_contacts

__all__ = ["ImportSummary", "import_contacts"]
