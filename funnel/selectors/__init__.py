"""Reads of the consequence app: for pages, the API and the services."""
