"""Application configuration of the consequence app."""

from django.apps import AppConfig


class FunnelConfig(AppConfig):
    """Consequence: what people do about a judgement."""

    name = "funnel"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Look after handoffs, sequences and what is told when contacts merge, part again or are erased."""
        from contacts.registry import Handlers, register_handlers
        from contacts.services.acts import Act, register_act
        from funnel.permissions import check_lead_handoffs
        from funnel.services.assigning import assign_contacts
        from funnel.services.counting.persons import erase_counts, export_counts, keep_counts
        from funnel.services.erasing import erase_handoffs, export_handoffs
        from funnel.services.hooks.forgetting import erase_hooks, export_hooks, tell_merge, tell_parting
        from funnel.services.merging import merge_handoffs, part_handoffs
        from funnel.services.notices.keeping import erase_notices, export_notices, keep_notices
        from funnel.services.sequences.persons import (
            erase_enrolments,
            export_enrolments,
            merge_enrolments,
            part_enrolments,
        )

        # One by one: each move holds its rep, and what it is refused for is its own.
        register_act("assign", Act(check_lead_handoffs, assign_contacts, chunk=1))
        register_handlers(self.name, Handlers(merge_handoffs, part_handoffs, erase_handoffs, export_handoffs))
        # After the handoffs, whose erasure takes the announcements: who is telling of one right now ends first.
        register_handlers(f"{self.name}.notices", Handlers(keep_notices, keep_notices, erase_notices, export_notices))
        register_handlers(
            f"{self.name}.sequences",
            Handlers(merge_enrolments, part_enrolments, erase_enrolments, export_enrolments),
        )
        # By its name the last of this app: what the others announce of somebody who is being erased goes, too.
        register_handlers(f"{self.name}.told", Handlers(tell_merge, tell_parting, erase_hooks, export_hooks))
        # By its name the last of all: it counts the transitions as the others leave them, under everybody's locks.
        register_handlers("tallies", Handlers(keep_counts, keep_counts, erase_counts, export_counts))
