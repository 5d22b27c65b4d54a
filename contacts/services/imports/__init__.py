"""CSV imports: rows of a file become facts under the rules of record_events, the one way in.

`receiving` takes an upload and says what is in it, `previewing` what it would do, `ordering` lets a worker do it,
`running` does it; `files` knows where the files are.
"""

from contacts.services.imports.running import ImportSummary, import_contacts, import_events

__all__ = ["ImportSummary", "import_contacts", "import_events"]
