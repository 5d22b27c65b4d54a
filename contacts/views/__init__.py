"""Pages that need facts alone."""
