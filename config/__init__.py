"""Wiring: settings, URLs, background work and the local services. No app imports it, `config.web` aside."""
