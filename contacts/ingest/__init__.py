"""Pure: a payload of any wire format becomes `IncomingEvent`s and `Rejected`s. No Django, no database, no clock."""
