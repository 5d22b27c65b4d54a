"""The REST API of handoffs."""
