"""A believable B2B software company's contacts, companies and months of events, from a seeded generator. Pure."""
