"""Taking a merge back: two contacts are two again, each with what is its own, later facts included."""

from datetime import datetime
from typing import Any, Final

from django.contrib.auth.models import User
from django.db.backends.utils import CursorWrapper
from django.utils.translation import gettext

from contacts.audit import AuditAct
from contacts.enums import MergeDecision
from contacts.models import Merge
from contacts.permissions import check_merge
from contacts.registry import Merging, handlers
from contacts.selectors.merges import members_of, roots_of
from contacts.services.auditing import record_act
from contacts.services.merged_beginnings import part_beginnings
from contacts.services.rows import Raced
from contacts.services.traits import restate_contacts
from contacts.services.uniting import CannotMerge, give_way, judge_anew, part_rows
from contacts.services.wake import wake

_LOCK: Final = "SELECT id FROM contacts_contact WHERE id = ANY(%s) ORDER BY id FOR UPDATE"
_PART_CONTACT: Final = "UPDATE contacts_contact SET merged_into_id = NULL, updated_at = %s WHERE id = %s"
# That the two are not one is said now: neither a message nor the finder suggests, or merges, them once more.
_DISMISS: Final = """
UPDATE contacts_mergesuggestion SET decision = %(dismissed)s, decided_at = %(now)s, decided_by_id = %(by)s
WHERE merge_id = %(merge)s OR (contact_id = %(one)s AND other_id = %(other)s)
"""
_REMEMBER: Final = """
INSERT INTO contacts_mergesuggestion (contact_id, other_id, suggested_by, reason, decision, decided_at, decided_by_id)
VALUES (%(one)s, %(other)s, 'message', 'Merged, and parted again', %(dismissed)s, %(now)s, %(by)s)
ON CONFLICT (contact_id, other_id) DO NOTHING
"""


def undo_merge(*, merge_id: int, by: User | None, now: datetime) -> Merge:
    """Part what a merge made one: each gets back its names, events, attributes, consent, handoffs and original source.

    What came in meanwhile goes to whom it was said of: what was sent under a name, to the contact that the name was
    made for. Merges may be undone in any order. Returns the merge.

    Raises:
        PermissionDenied: ``by`` may not merge.
        Merge.DoesNotExist: there is no such merge.
        CannotMerge: ``already_undone`` or ``busy``.
    """
    if by is not None:
        check_merge(by)
    return give_way(lambda cursor: _undo(cursor, merge_id, by=by, now=now))


def _undo(cursor: CursorWrapper, merge_id: int, *, by: User | None, now: datetime) -> Merge:
    merge = Merge.objects.get(pk=merge_id)
    if merge.undone_at is not None:
        raise CannotMerge("already_undone", gettext("This merge was undone already."))
    # The winner may have become part of others since: the rows are where all of them are now.
    roots = roots_of([merge.winner_id])
    if merge.winner_id not in roots:
        raise CannotMerge("unknown_contact", gettext("This person was erased."))
    winner_id, loser_id = roots[merge.winner_id], merge.loser_id
    # Whoever changes the tree, or records facts of anybody in it, holds its root.
    cursor.execute(_LOCK, [[winner_id, merge.winner_id, loser_id]])
    if roots_of([merge.winner_id]) != roots or not Merge.objects.filter(pk=merge_id, undone_at=None).exists():
        raise Raced
    members = members_of([loser_id])
    part_rows(cursor, winner_id=winner_id, loser_id=loser_id, members=members)
    cursor.execute(_PART_CONTACT, [now, loser_id])
    merge.undone_at, merge.undone_by = now, by
    merge.save(update_fields=["undone_at", "undone_by"])
    part_beginnings(cursor, winner_id=winner_id, loser_id=loser_id)
    restate_contacts(cursor, contact_ids=[winner_id, loser_id], now=now)
    judge_anew(cursor, [winner_id, loser_id])
    parting = Merging(merge_id=merge.pk, winner_id=winner_id, loser_id=loser_id, members=tuple(members), now=now)
    for handler in handlers():
        handler.part(parting)
    one, other = sorted((merge.winner_id, loser_id))
    decision: dict[str, Any] = {"dismissed": MergeDecision.DISMISSED.value, "now": now, "one": one, "other": other}
    decision["by"] = by.pk if by is not None else None
    cursor.execute(_DISMISS, {**decision, "merge": merge.pk})
    cursor.execute(_REMEMBER, decision)
    record_act(AuditAct.MERGE_UNDONE, by=by, about=merge, winner=winner_id, loser=loser_id)
    wake("scoring.drain")
    return merge
