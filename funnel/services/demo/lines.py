"""A chunk of the generated history as lines for COPY: what record_events would have stored for the same messages."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from contacts.enums import Answer, IdentityKind
from contacts.ingest.identifiers import normalise_company_name
from contacts.ingest.incoming import dedupe_id
from contacts.selectors.folding import fold_plain
from contacts.services.identities import address_uuid
from funnel.demo import vocabulary as words
from funnel.demo.content import Content
from funnel.demo.journeys import ACCEPTED, CHANNELS, CLAIMED, CONVERTED, JOURNEYS, RETURNED
from funnel.demo.population import Companies, People
from funnel.demo.timeline import KIND_IDS, SOURCES, Timeline
from funnel.moves import ACCEPT, CLAIM, RETURN, WIN, fact_id
from funnel.services.handoffs import GATES_SET_BY_RETURN

NULL = "\\N"
_MOVES = {CLAIMED: CLAIM, ACCEPTED: ACCEPT, RETURNED: RETURN, CONVERTED: WIN}
_INTERNAL = len(SOURCES) - 1
_SHARE_WITH_PHONE = 0.6
# What reps learn about who can pay and decide when they take a conversation on.
_SHARE_ASKED = 0.55


@dataclass(frozen=True, slots=True)
class Places:
    """Where a chunk's rows go: first ids, and the ids of sources (by place in SOURCES) and reps."""

    chunk: int
    first_contact: int
    first_company: int
    first_handoff: int
    sources: Sequence[int]
    reps: Sequence[int]


@dataclass(slots=True)
class Lines:
    """Lines by table, see contacts.services.bulk.COLUMNS."""

    company: list[str] = field(default_factory=list)
    companychange: list[str] = field(default_factory=list)
    contact: list[str] = field(default_factory=list)
    identity: list[str] = field(default_factory=list)
    attributechange: list[str] = field(default_factory=list)
    event: list[str] = field(default_factory=list)


def write_lines(
    rng: np.random.Generator,
    *,
    companies: Companies,
    people: People,
    timeline: Timeline,
    content: Content,
    places: Places,
) -> Lines:
    """Turn a chunk into lines."""
    return _Writer(rng, companies, people, timeline, content, places).write()


class _Writer:
    def __init__(
        self,
        rng: np.random.Generator,
        companies: Companies,
        people: People,
        timeline: Timeline,
        content: Content,
        places: Places,
    ) -> None:
        self._rng = rng
        self._companies = companies
        self._people = people
        self._timeline = timeline
        self._content = content
        self._places = places
        self._lines = Lines()
        events = timeline.events
        self._times = moments(events.at)
        self._messages = message_ids(rng, events.at, chunk=places.chunk)
        self._said: dict[int, dict[str, str]] = {}

    def write(self) -> Lines:
        """Events first: what they teach about their contacts goes into the contacts' columns."""
        events = self._timeline.events
        count = len(self._people.emails)
        _, firsts = np.unique(events.person, return_index=True)
        if len(firsts) != count:
            raise ValueError("every contact has a first event")
        self._write_events()
        lasts = np.append(firsts[1:], len(events.at)) - 1
        self._write_companies(firsts)
        self._write_contacts(firsts.tolist(), lasts.tolist())
        return self._lines

    def _write_events(self) -> None:
        events, places, texts = self._timeline.events, self._places, self._content.texts
        sources = np.array(places.sources)[events.source].tolist()
        reps = [NULL if rep < 0 else str(places.reps[rep]) for rep in events.rep.tolist()]
        contacts = (events.person + places.first_contact).tolist()
        suspicions = [words.SCANNER_REASONS[place] if place >= 0 else "" for place in events.suspect.tolist()]
        columns = zip(
            contacts,
            events.kind.tolist(),
            self._times,
            sources,
            self._messages,
            events.text.tolist(),
            reps,
            suspicions,
            strict=True,
        )
        self._lines.event = [
            f"{contact}\t{contact}\t{kind}\t{at}\t{at}\t\t{source}\t{message}\t{message}\t0\t{texts[text]}\t{rep}\t{reason}\n"
            for contact, kind, at, source, message, text, rep, reason in columns
        ]
        for index in np.flatnonzero(events.handoff >= 0).tolist():
            self._write_handoff_fact(index)
        confirmed = KIND_IDS["details_confirmed"]
        for index in np.flatnonzero(events.kind == confirmed).tolist():
            self._learn(index, self._messages[index], {"details_confirmed": "true"})

    def _write_handoff_fact(self, index: int) -> None:
        """A rep's move: its fact names the handoff, and may teach something about the contact."""
        events, handoffs = self._timeline.events, self._timeline.handoffs
        place = int(events.handoff[index])
        kind = next(name for name in _MOVES if KIND_IDS[name] == events.kind[index])
        handoff_id = self._places.first_handoff + place
        message_id = fact_id(_MOVES[kind], handoff_id, number_of(kind, accepted=bool(handoffs.accepted_at[place])))
        source = self._places.sources[_INTERNAL]
        dedupe = dedupe_id(source, message_id)
        said = f'"handoff": "{handoff_id}"'
        taught: dict[str, str] = {}
        if kind == RETURNED:
            reason = self._content.reasons[handoffs.reason[place]]
            said += f', "reason": "{reason}", "note": "{return_note(reason, handoffs.note[place])}"'
            taught = {name: f'"{value}"' for name, value in GATES_SET_BY_RETURN.get(reason, {}).items()}
        elif kind == CONVERTED:
            said += f', "note": "{win_note(handoffs.note[place])}"'
        elif kind == ACCEPTED:
            taught = {name: f'"{Answer.YES}"' for name in ("means", "authority") if self._rng.random() < _SHARE_ASKED}
        at, rep = self._times[index], self._places.reps[int(events.rep[index])]
        contact = int(events.person[index]) + self._places.first_contact
        self._lines.event[index] = (
            f"{contact}\t{contact}\t{events.kind[index]}\t{at}\t{at}\t\t{source}\t{message_id}\t{dedupe}\t0\t"
            f"{{{said}}}\t{rep}\t\n"
        )
        self._learn(index, str(dedupe), taught)

    def _learn(self, index: int, message: str, taught: dict[str, str]) -> None:
        """Record attributes (JSON values) that came with an event."""
        person = int(self._timeline.events.person[index])
        source = self._places.sources[int(self._timeline.events.source[index])]
        for name, value in taught.items():
            self._add_change(person, name, value, self._times[index], str(source), message)
        self._said.setdefault(person, {}).update(taught)

    def _add_change(self, person: int, name: str, value: str, at: str, source: str, message: str) -> None:
        contact = person + self._places.first_contact
        self._lines.attributechange.append(f"{contact}\t{name}\t{value}\t{at}\t{at}\t{source}\t{message}\n")

    def _write_companies(self, firsts: NDArray[np.int64]) -> None:
        """Companies are described by the first message of their first contact."""
        companies, events = self._companies, self._timeline.events
        employed = np.flatnonzero(self._people.company >= 0)
        by_time = employed[np.argsort(events.at[firsts[employed]], kind="stable")]
        known, first_of = np.unique(self._people.company[by_time], return_index=True)
        for place, person in zip(known.tolist(), by_time[first_of].tolist(), strict=True):
            index = int(firsts[person])
            at, message = self._times[index], self._messages[index]
            source = self._places.sources[int(events.source[index])]
            company_id = self._places.first_company + place
            name, employees = companies.names[place], int(companies.employees[place])
            industry = words.INDUSTRIES[int(companies.industry[place])][0]
            country = words.COUNTRIES[int(companies.country[place])][0]
            self._lines.company.append(
                f"{company_id}\t{name}\t{normalise_company_name(name)}\t{companies.domains[place]}\t{industry}\t"
                f"{employees}\t{country}\t{at}\t{at}\n"
            )
            self._lines.companychange += [
                f"{company_id}\t{key}\t{value}\t{at}\t{at}\t{source}\t{message}\n"
                for key, value in (
                    ("name", f'"{name}"'),
                    ("industry", f'"{industry}"'),
                    ("employees", str(employees)),
                    ("country", f'"{country}"'),
                )
            ]

    def _write_contacts(self, firsts: Sequence[int], lasts: Sequence[int]) -> None:
        people, timeline, places = self._people, self._timeline, self._places
        sources = timeline.events.source.tolist()
        texts = timeline.events.text.tolist()
        with_phone = (self._rng.random(len(people.emails)) < _SHARE_WITH_PHONE).tolist()
        employers = people.company.tolist()
        for person, (first, last) in enumerate(zip(firsts, lasts, strict=True)):
            journey = JOURNEYS[timeline.journey[person]]
            channel = CHANNELS[sources[first]]
            source_id = str(places.sources[sources[first]])
            at, message = self._times[first], self._messages[first]
            said: dict[str, str] = {}
            if not journey.anonymous:
                said = {
                    "first_name": people.first_names[person],
                    "last_name": people.last_names[person],
                    "job_title": people.titles[person],
                    "country": people.countries[person],
                }
                if with_phone[person]:
                    said["phone"] = people.phones[person]
                if journey.closed_gate:
                    said[journey.closed_gate] = Answer.NO.value
                if employers[person] < 0:
                    del said["job_title"]
            for name, value in said.items():
                self._add_change(person, name, f'"{value}"', at, source_id, message)
            company, company_name = NULL, ""
            if not journey.anonymous and employers[person] >= 0:
                company = str(places.first_company + employers[person])
                company_name = self._companies.names[employers[person]]
                self._add_change(person, "company", company, at, source_id, message)
            email = "" if journey.anonymous else people.emails[person]
            self._write_identity(person, email, message, at, source_id)
            said |= {name: value.strip('"') for name, value in self._said.get(person, {}).items()}
            shown = (said.get("first_name", ""), said.get("last_name", ""), email, company_name)
            self._lines.contact.append(
                "\t".join(
                    (
                        str(places.first_contact + person),
                        email,
                        said.get("phone", ""),
                        said.get("first_name", ""),
                        said.get("last_name", ""),
                        said.get("job_title", ""),
                        "",
                        said.get("country", ""),
                        said.get("means", Answer.UNKNOWN.value),
                        said.get("authority", Answer.UNKNOWN.value),
                        said.get("details_confirmed", "false"),
                        "{}",
                        company,
                        channel.channel,
                        channel.direction,
                        channel.motion,
                        self._content.campaigns[texts[first]],
                        at,
                        message,
                        fold_plain(" ".join(filter(None, shown))),
                        at,
                        self._times[last],
                    )
                )
                + "\n"
            )

    def _write_identity(self, person: int, email: str, message: str, at: str, source_id: str) -> None:
        contact = person + self._places.first_contact
        if email:
            # An address belongs to nobody's message: it is recorded since when it is known, without a source.
            self._add_change(person, "email", f'"{email}"', at, NULL, address_uuid(email))
        kind, value = (IdentityKind.EMAIL, email) if email else (IdentityKind.ANONYMOUS_ID, f"visitor-{message[-12:]}")
        self._lines.identity.append(f"{contact}\t{kind.value}\t{value}\t{source_id}\t{at}\n")


def number_of(kind: str, *, accepted: bool) -> int:
    """Which of its handoff's moves a rep's one is: offered, claimed, accepted or not, closed."""
    return {CLAIMED: 1, ACCEPTED: 2}.get(kind, 3 if accepted else 2)


def return_note(reason: str, drawn: int) -> str:
    """What the rep wrote when handing the contact back."""
    notes = words.RETURN_NOTES[reason]
    return notes[drawn % len(notes)]


def win_note(drawn: int) -> str:
    """What the rep wrote when the contact was won."""
    return words.WIN_NOTES[drawn % len(words.WIN_NOTES)]


def moments(at: NDArray[np.int64]) -> list[str]:
    """Epoch seconds as PostgreSQL reads them, in UTC."""
    texts: list[str] = np.char.add(np.datetime_as_string(at.astype("datetime64[s]")), "Z").tolist()
    return texts


def message_ids(rng: np.random.Generator, at: NDArray[np.int64], *, chunk: int) -> list[str]:
    """A version 7 UUID for each event: by time, then by place, so that equal moments keep their order."""
    place = np.arange(len(at), dtype=np.uint64)
    high = (at.astype(np.uint64) * np.uint64(1000)) << np.uint64(16) | np.uint64(0x7000 | chunk & 0xFFF)
    low = (
        np.uint64(0x8) << np.uint64(60) | place << np.uint64(36) | rng.integers(1 << 36, size=len(at)).astype(np.uint64)
    )
    raw = np.stack([high, low], axis=1).astype(">u8").tobytes().hex()
    return [
        f"{raw[i : i + 8]}-{raw[i + 8 : i + 12]}-{raw[i + 12 : i + 16]}-{raw[i + 16 : i + 20]}-{raw[i + 20 : i + 32]}"
        for i in range(0, len(raw), 32)
    ]
