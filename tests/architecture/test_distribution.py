"""The schema can be distributed by contact (docs/adr/0027): what stands in the way is listed here, and nothing else.

Three sorts of tables. *By contact*: rows of one contact lie together, so whatever joins them by contact stays on one
machine. *Reference*: small and seldom written, a copy on every machine. *Local*: on one machine, because they span
contacts or belong to people; nothing on the hot path joins them to tables by contact other than by a list of ids.
"""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from funnel.models import Handoff
from funnel.services.claiming import claim_handoff
from funnel.services.consequences import draw_consequences
from funnel.services.counting import count_due
from scoring.services.evaluate import drain_due
from tests.factories import SourceFactory, make_event, make_user, record

pytestmark = pytest.mark.django_db

# Table -> the column that says whose row it is.
BY_CONTACT = {
    "contacts_contact": "id",
    **dict.fromkeys(
        (
            *("contacts_attributechange", "contacts_consententry", "contacts_contacttag", "contacts_due"),
            *("contacts_event", "contacts_formsubmission", "contacts_mail", "contacts_standing"),
            *("funnel_announcement", "funnel_enrolment", "funnel_handoff", "funnel_passage", "funnel_reached"),
            *("funnel_recount", "scoring_transition"),
        ),
        "contact_id",
    ),
}
# Rows of one contact that name it only through their parent: each gets a contact_id of its own first.
THROUGH_PARENT = {
    "contacts_eventcorrection": "event_id",
    "funnel_handoffmove": "handoff_id",
    "funnel_steprun": "enrolment_id",
}
REFERENCE = {
    "contacts_kind": "some dozens, read with every batch",
    "contacts_source": "some dozens, read with every batch",
    "contacts_purpose": "a handful",
    "contacts_tag": "some hundreds",
    "contacts_form": "some dozens",
    "contacts_company": "read with every contact that is judged, written seldom",
    "contacts_companychange": "the history of the former",
    "scoring_definition": "some dozens of documents",
    "scoring_publication": "one a publication",
    "funnel_sequence": "some dozens",
    "funnel_sequencestep": "some hundreds",
    "auth_user": "the organisation's own people",
}
LOCAL = {
    "found by a value, never by contact; narrow": (
        *("contacts_identity", "contacts_message", "contacts_erasedname", "contacts_suppression"),
    ),
    "two contacts a row; off the hot path": ("contacts_merge", "contacts_mergesuggestion"),
    "long work, ordered by people": (
        *("contacts_job", "contacts_importrun", "contacts_savedmapping", "scoring_run", "scoring_runcell"),
        *("scoring_learnedmodel", "scoring_approval", "scoring_notice"),
    ),
    "what senders did wrong": ("contacts_rejectedmessage", "contacts_sourcewarning"),
    "sums over contacts, kept by the drain that consumes": ("funnel_tally", "funnel_counting"),
    "messages to machines and people, made from announcements": (
        *("funnel_hookendpoint", "funnel_hookmessage", "funnel_hookdelivery", "funnel_hookattempt"),
        *("funnel_noticemail", "funnel_notification", "funnel_notificationitem", "funnel_notificationsetting"),
        "funnel_digestplan",
    ),
    "people, what they may and what they set": (
        *("account_emailaddress", "account_emailconfirmation", "auth_group", "auth_group_permissions"),
        *("auth_permission", "auth_user_groups", "auth_user_user_permissions", "mfa_authenticator"),
        *("usersessions_usersession", "contacts_invitation", "contacts_listcolumns", "contacts_personaltoken"),
        *("contacts_preferences", "contacts_savedview", "contacts_emailhook", "contacts_auditentry"),
        *("contacts_failedsignin", "funnel_absence", "funnel_holiday", "funnel_repprofile", "funnel_routingrule"),
        *("funnel_routingrule_reps", "funnel_salessettings", "funnel_workingcalendar"),
    ),
    "the machinery": (
        *("django_admin_log", "django_content_type", "django_migrations", "django_session", "web_keptanswer"),
        *("funnel_proof", "funnel_trouble"),
    ),
}
# Unique constraints of tables by contact that do not hold its column, and what becomes of each.
UNIQUE_ELSEWHERE = {
    "event_message_once": "becomes a narrow table of its own (dedupe_id, source_id), distributed by dedupe_id",
    "consent_once_a_message": "the message is deduplicated before; contact_id is added",
    "contacts_formsubmission_message_key": "the message is deduplicated before; contact_id is added",
    "funnel_handoff_previous_id_key": "the same contact's: contact_id is added",
    "handoffmove_number_once": "the same contact's: contact_id is added",
    "steprun_once": "the same contact's: contact_id is added",
    "steprun_one_ahead": "the same contact's: contact_id is added",
}
_SAME = "the same contact's: the key becomes (contact_id, id)"
_DROPPED = "kept by the one service that writes it; the constraint is dropped"
# Foreign keys of or to tables by contact that are none of: to the contact by one's own column, to a reference table.
KEYS_ELSEWHERE = {
    "contacts_contact.merged_into_id -> contacts_contact": _DROPPED,
    "contacts_erasedname.husk_id -> contacts_contact": _DROPPED,
    "contacts_eventcorrection.event_id -> contacts_event": _SAME,
    "contacts_identity.contact_id -> contacts_contact": _DROPPED,
    "contacts_job.contact_id -> contacts_contact": _DROPPED,
    "contacts_merge.loser_id -> contacts_contact": _DROPPED,
    "contacts_merge.winner_id -> contacts_contact": _DROPPED,
    "contacts_mergesuggestion.contact_id -> contacts_contact": _DROPPED,
    "contacts_mergesuggestion.other_id -> contacts_contact": _DROPPED,
    "funnel_announcement.handoff_id -> funnel_handoff": _SAME,
    "funnel_announcement.transition_id -> scoring_transition": _SAME,
    "funnel_handoff.previous_id -> funnel_handoff": _SAME,
    "funnel_handoff.suspended_by_id -> contacts_merge": _DROPPED,
    "funnel_handoff.transition_id -> scoring_transition": _SAME,
    "funnel_handoffmove.handoff_id -> funnel_handoff": _SAME,
    "funnel_hookmessage.announcement_id -> funnel_announcement": _DROPPED,
    "funnel_steprun.enrolment_id -> funnel_enrolment": _SAME,
    "scoring_transition.cause_event_id -> contacts_event": _SAME,
    "scoring_transition.superseded_by_id -> scoring_transition": _SAME,
}
# Joins on the hot path between tables that are no reference ones, other than by contact.
JOINS_ELSEWHERE = {
    "contacts_contact.id = contacts_identity.contact_id": "two statements: names to ids, then the contacts of these",
    "funnel_handoff.id = funnel_handoffmove.handoff_id": "the same contact's: joined by contact_id as well",
}

_TABLES = """SELECT relname FROM pg_class
WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace ORDER BY 1"""
_UNIQUE = """
SELECT unique_index.relname, kept.relname, array_agg(att.attname::text)
FROM pg_index AS it
JOIN pg_class AS unique_index ON unique_index.oid = it.indexrelid
JOIN pg_class AS kept ON kept.oid = it.indrelid
JOIN pg_attribute AS att ON att.attrelid = it.indrelid AND att.attnum = ANY(it.indkey)
WHERE it.indisunique AND NOT it.indisprimary AND kept.relnamespace = 'public'::regnamespace
GROUP BY 1, 2 ORDER BY 1
"""
_KEYS = """
SELECT conrelid::regclass::text, att.attname::text, confrelid::regclass::text
FROM pg_constraint JOIN pg_attribute AS att ON att.attrelid = conrelid AND att.attnum = conkey[1]
WHERE contype = 'f' AND connamespace = 'public'::regnamespace ORDER BY 1, 2
"""


def ask(sql: str) -> list[tuple[str, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        rows: list[tuple[str, ...]] = cursor.fetchall()
        return rows


def local_tables() -> list[str]:
    return [table for tables in LOCAL.values() for table in tables]


def test_every_table_is_by_contact_or_reference_or_local() -> None:
    classified = [*BY_CONTACT, *THROUGH_PARENT, *REFERENCE, *local_tables()]
    assert len(classified) == len(set(classified))
    assert [table for (table,) in ask(_TABLES)] == sorted(classified)


def test_what_is_unique_of_a_contact_holds_the_contact() -> None:
    ours = {**BY_CONTACT, **THROUGH_PARENT}
    found = {
        name for name, table, columns in ask(_UNIQUE) if table in ours and BY_CONTACT.get(table, "") not in columns
    }
    assert found == set(UNIQUE_ELSEWHERE)


def test_foreign_keys_stay_with_a_contact_or_lead_to_reference_tables() -> None:
    ours = {**BY_CONTACT, **THROUGH_PARENT}
    found = set()
    for table, column, target in ask(_KEYS):
        if table in REFERENCE:
            # A copy on every machine can refer to nothing that is only on one.
            assert target in REFERENCE, f"{table}.{column} -> {target}"
            continue
        is_own = target == "contacts_contact" and BY_CONTACT.get(table) == column
        if (table in ours or target in ours) and target not in REFERENCE and not is_own:
            found.add(f"{table}.{column} -> {target}")
    assert found == set(KEYS_ELSEWHERE)


def hot_path() -> None:
    """What happens to a message: stored, judged, followed by an offer, counted; and a rep claims it."""
    source = SourceFactory.create()
    company = {"name": "Acme", "domain": "acme.example", "industry": "software", "employees": 200}
    ready = [
        make_event("demo_requested", traits={"job_title": "Head of Operations", "company": company}) for _ in "abc"
    ]
    record(*ready, *[make_event("newsletter_subscribed") for _ in "abc"], ready[0], source=source)
    record(make_event("purchased", contact=ready[0]["contact"]), source=source)
    steps: list[Callable[..., int]] = [drain_due, draw_consequences, count_due]
    for step in steps:
        while step(now=datetime.now(UTC)):
            pass
    offer = Handoff.objects.filter(state="offered").first()
    assert offer is not None
    claim_handoff(handoff_id=offer.pk, by=make_user("rep"), now=datetime.now(UTC))


_NAME = r'\(*"?([a-z_0-9]+)"?\."?([a-z_0-9]+)"?\)*'
_EQUAL = re.compile(rf"{_NAME} = {_NAME}", re.IGNORECASE)
_WITHIN = re.compile(rf"{_NAME} IN \(SELECT (?:DISTINCT )?{_NAME}", re.IGNORECASE)
_KEYWORDS = r"(?:WHERE|SET|ON|JOIN|INNER|LEFT|CROSS|ORDER|GROUP|LIMIT|FOR|USING|RETURNING|UNION|SELECT|VALUES)\b"


def declared(sql: str) -> list[tuple[int, str, str]]:
    """Place, alias and table of every table that the statement names."""
    pattern = rf'\b(?:FROM|JOIN|UPDATE|INTO|USING) "?([a-z_0-9]+)"?(?: (?:AS )?(?!{_KEYWORDS})"?([a-z_0-9]+)"?)?'
    found = [(match.start(), match[2] or match[1], match[1]) for match in re.finditer(pattern, sql, re.IGNORECASE)]
    return [*found, *((place, table, table) for place, alias, table in found if alias == table)]


def joins(sql: str) -> Iterator[str]:
    """Joins of the statement between tables that are no reference ones, not by contact and not all of one machine."""
    sql = re.sub(r"'(?:[^']|'')*'", "''", " ".join(sql.split()))
    tables = declared(sql)
    columns = {**BY_CONTACT, **THROUGH_PARENT, **dict.fromkeys(local_tables(), "")}

    def table_of(alias: str, place: int) -> str:
        """An alias means the table that it was last given to, or the one it is given to next."""
        before = [table for at, name, table in tables if name.lower() == alias.lower() and at <= place]
        after = [table for at, name, table in tables if name.lower() == alias.lower() and at > place]
        return (before[-1:] or after[:1] or [""])[0]

    by_contact, elsewhere = set(), {}
    for match in [*_EQUAL.finditer(sql), *_WITHIN.finditer(sql)]:
        names = ((match[1], match[2]), (match[3], match[4]))
        sides = sorted((table_of(alias, match.start()), column) for alias, column in names)
        pair = frozenset((alias.lower(), table_of(alias, match.start())) for alias, _ in names)
        if any(table not in columns for table, _ in sides) or len(pair) == 1:
            continue
        if all(not columns[table] for table, _ in sides):
            continue
        if all(BY_CONTACT.get(table) == column for table, column in sides):
            by_contact.add(pair)
        else:
            elsewhere[" = ".join(f"{table}.{column}" for table, column in sides)] = pair
    # Two tables that are joined by contact may be joined by more than that.
    yield from (join for join, pair in elsewhere.items() if pair not in by_contact)


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("SELECT 1 FROM contacts_event e JOIN contacts_contact c ON c.id = e.contact_id", []),
        ("SELECT 1 FROM contacts_event e JOIN contacts_kind k ON k.id = e.kind_id", []),
        (
            (
                'SELECT 1 FROM "contacts_due" WHERE EXISTS(SELECT 1 FROM "contacts_due" U0 WHERE '
                'U0."contact_id" = ("contacts_due"."contact_id") AND U0."id" = ("contacts_due"."id"))'
            ),
            [],
        ),
        (
            (
                'SELECT 1 FROM "contacts_contact" WHERE "contacts_contact"."id" IN (SELECT U0."contact_id" FROM '
                '"contacts_due" U0)'
            ),
            [],
        ),
        (
            "SELECT 1 FROM contacts_event AS a JOIN contacts_event AS b ON a.message_id = b.message_id",
            ["contacts_event.message_id = contacts_event.message_id"],
        ),
        (
            (
                'SELECT 1 FROM "contacts_contact" WHERE "contacts_contact"."company_id" IN '
                '(SELECT U0."contact_id" FROM "contacts_due" U0)'
            ),
            ["contacts_contact.company_id = contacts_due.contact_id"],
        ),
        (
            "UPDATE funnel_handoff AS h SET state = '' FROM scoring_transition AS t WHERE t.id = h.transition_id",
            ["funnel_handoff.transition_id = scoring_transition.id"],
        ),
    ],
)
def test_the_look_at_joins_tells_those_by_contact_from_others(sql: str, found: list[str]) -> None:
    assert list(joins(sql)) == found


def test_the_hot_path_joins_by_contact_only() -> None:
    with CaptureQueriesContext(connection) as captured:
        hot_path()
    statements = [query["sql"] for query in captured.captured_queries]
    told = {table for sql in statements for _, _, table in declared(" ".join(sql.split()))}
    # It was the hot path indeed.
    expected = {"contacts_event", "contacts_identity", "contacts_due", "contacts_standing", "scoring_transition"}
    assert expected | {"funnel_handoff", "funnel_handoffmove", "funnel_reached"} <= told
    assert {join for sql in statements for join in joins(sql)} == set(JOINS_ELSEWHERE)
