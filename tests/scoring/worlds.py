"""Small worlds for engine tests: facts as arrays, without a database."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from contacts.enums import SHIPPED_KINDS
from scoring.definition import DefinitionDocument, load_yaml
from scoring.engine import NEVER, UNKNOWN_PAST, Assessor, Compiled, Facts, KindFacts, compile_definition

T0 = 1_700_000_000_000_000
KINDS = [KindFacts(kind.id, kind.name, str(kind.initiator), str(kind.reach), kind.two_way) for kind in SHIPPED_KINDS]
KIND_IDS = {kind.name: kind.id for kind in KINDS}
PRESETS = Path(__file__).parents[2] / "scoring" / "presets"

FITTING: dict[str, object] = {
    "job_title": "Head of Operations",
    "company.industry": "Software",
    "company.employees": 200,
    "email": "head@example.com",
    "means": "yes",
    "authority": "yes",
}


def default_document() -> DefinitionDocument:
    """The shipped default definition."""
    return load_yaml((PRESETS / "default.yaml").read_text())


def default_compiled() -> Compiled:
    """The shipped default definition, ready to judge."""
    return compile_definition(default_document(), KINDS, version="default@1")


def make_facts(
    compiled: Compiled,
    histories: Sequence[Sequence[tuple[int, str]]],
    attributes: Mapping[str, object] = FITTING,
    order: Sequence[int] | None = None,
) -> Facts:
    """Facts of one contact for each history of (time, kind name); ``order`` permutes the event rows.

    A kind name with ``+`` appended carries a named individual: it has a row for each property match too.
    """
    assessor = Assessor(compiled.document)
    assessment = assessor.assess([attributes.get(name) for name in assessor.attributes])
    rows: list[tuple[int, int, int, int]] = []
    event_id = 0
    for contact, history in enumerate(histories):
        for at, name in sorted(history):
            event_id += 1
            kind_id = KIND_IDS[name.rstrip("+")]
            rows.append((contact, at, kind_id, event_id))
            if name.endswith("+"):
                rows += [(contact, at, code, event_id) for code, ids, *_ in compiled.property_matches if kind_id in ids]
    if order is not None:
        rows = [rows[i] for i in order]
    count = len(histories)
    return Facts(
        contacts=count,
        event_contact=np.array([row[0] for row in rows], dtype=np.int64),
        event_at=np.array([row[1] for row in rows], dtype=np.int64),
        event_code=np.array([row[2] for row in rows], dtype=np.int16),
        event_id=np.array([row[3] for row in rows], dtype=np.int64),
        profile_contact=np.arange(count),
        profile_at=np.full(count, UNKNOWN_PAST, dtype=np.int64),
        profile_fit=np.full(count, assessment.fit, dtype=np.int64),
        profile_answers=np.array([assessment.answers] * count, dtype=np.bool_),
        first_seen=np.full(count, NEVER, dtype=np.int64),
        ordered=order is None and not any(name.endswith("+") for history in histories for _, name in history),
    )
