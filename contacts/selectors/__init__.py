"""Reads of the facts app: for pages and the API."""
