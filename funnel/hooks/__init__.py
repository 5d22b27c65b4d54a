"""Pure parts of outbound webhooks: where they may go, when they are tried again, how they are signed and sent."""
