"""Several hosts, a replica, and what each costs."""
