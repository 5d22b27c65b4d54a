"""Local services: the embedded PostgreSQL and Valkey, who uses them, and the supervisor of `manage.py up`."""
