"""Template tags of the consequence app."""
