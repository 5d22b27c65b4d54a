"""Pages about contacts and definitions."""
