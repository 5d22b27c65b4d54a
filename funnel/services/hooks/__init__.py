"""Outbound webhooks: what is announced becomes messages, messages become deliveries, and deliveries are sent."""
