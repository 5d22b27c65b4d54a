"""The facts over HTTP: ingest in two wire formats, contacts, companies and events as resources."""
