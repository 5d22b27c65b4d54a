"""Telling people: whom (``audience``), once (``telling``), what nobody announces (``looking_out``), and by mail."""
