"""Who will fall, and who is about to ripen: what the list of contacts can be filtered by."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from contacts.models import Standing
from scoring.definition.document import Criterion, DefinitionDocument, children_of
from scoring.selectors import published_definition
from scoring.services.folding import fold_contacts

SOON: Final = timedelta(days=7)
# "Close to a stage": this share of the engagement that it asks for.
CLOSE: Final = 0.8


def falling_soon(now: datetime, most: int) -> tuple[Sequence[int], bool]:
    """Return the contacts that will stand at a weaker stage within SOON if nothing happens.

    Told by judging them ahead, as the drain will: nothing is estimated. Looked at are the ``most`` who are looked at
    again first among those above the weakest stage; the second value tells whether there are more within SOON.
    """
    _, document = published_definition()
    ranks: dict[str, int] = {stage.key: rank for rank, stage in enumerate(document.stages)}
    above = [key for key, rank in ranks.items() if rank > 0]
    due = Standing.objects.filter(review_at__lte=now + SOON, stage__in=above).order_by("review_at", "pk")
    standings = {row.pk: row for row in due[: most + 1]}
    looked_at = sorted(list(standings)[:most])
    if not looked_at:
        return (), False
    folded = fold_contacts(np.array(looked_at, dtype=np.int64), until=now + SOON, standings=standings)
    falls = [
        contact_id
        for contact_id, stage in zip(looked_at, folded.stage, strict=True)
        if ranks.get(stage, 0) < ranks.get(standings[contact_id].stage, 0)
    ]
    return falls, len(standings) > most


def close_to_ripening() -> Mapping[str, tuple[int, int]]:
    """Return by stage from how much engagement a contact is close to a stronger one, and what that asks for.

    In thousandths of a point, the second end not included. Only engagement tells: a stage whose enter asks for none
    makes nobody close to it. Of several thresholds the lowest that is ahead counts.
    """
    _, document = published_definition()
    asked = [(rank, threshold) for rank in range(1, len(document.stages)) for threshold in _thresholds(document, rank)]
    ranges: dict[str, tuple[int, int]] = {}
    for rank, stage in enumerate(document.stages):
        ahead = [threshold for stronger, threshold in asked if stronger > rank]
        if ahead:
            ranges[stage.key] = (round(min(ahead) * CLOSE), min(ahead))
    return ranges


def _thresholds(document: DefinitionDocument, rank: int) -> list[int]:
    """What entering a stage asks for of engagement, wherever its criteria say so, in thousandths of a point."""
    root = document.stages[rank].enter
    found: list[int] = []
    waiting: list[Criterion] = [root] if root is not None else []
    while waiting:
        node = waiting.pop()
        if node.engagement is not None and node.engagement.at_least > 0:
            found.append(round(node.engagement.at_least * 1_000))
        if node.not_ is None:
            waiting.extend(children_of(node))
    return found
