"""The REST API of the judgement: why, transitions, definitions."""
