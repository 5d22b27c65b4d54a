"""Template tags of the judgement app."""
