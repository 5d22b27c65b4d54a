"""Send the leads of the public "X Education" export (Leads.csv) to Ripen, as events with traits.

    python send_leads.py Leads.csv --key "$KEY"

Needs nothing but Python. The file is a snapshot without dates, so times are made up in a way that favours nothing:
leads follow each other evenly in the order of their Lead Number, all that the export knows of a lead happened at one
instant, and who converted bought a fixed number of days later. Sending again is safe: everything has a message id.
"""

import argparse
import csv
import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

# Not here on purpose: Tags, Lead Quality, Lead Profile, the Asymmetrique columns, Last Activity and Last Notable
# Activity. Sales wrote or caused them after talking to the lead; a score built on them would foretell the past.
TEXTS = {
    "Lead Origin": "lead_origin",
    "Lead Source": "lead_source",
    "Country": "country",
    "City": "city",
    "Specialization": "specialization",
    "What is your current occupation": "occupation",
    "What matters most to you in choosing a course": "motive",
    "How did you hear about X Education": "heard_about_us",
}
ANSWERS = {"Do Not Email": "do_not_email", "A free copy of Mastering The Interview": "wants_free_copy"}

# What the web form shows while nothing is chosen.
NOTHING = ("", "Select")

# The most events that Ripen takes at once.
BATCH = 1000


def main() -> int:
    """Read the file, send everything, and print one JSON summary; exit code 1 when anything was refused."""
    parser = argparse.ArgumentParser(description="Send the X Education leads to Ripen.")
    parser.add_argument("file", type=Path, help="Leads.csv as downloaded")
    parser.add_argument("--key", required=True, help="what manage.py create_source printed last")
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="where Ripen is (default: %(default)s)")
    parser.add_argument("--first-day", default="2024-01-01", help="when the first lead came (default: %(default)s)")
    parser.add_argument("--days", type=int, default=730, help="over how many days they came (default: %(default)s)")
    parser.add_argument("--bought-after", type=int, default=45, help="days from lead to purchase (%(default)s)")
    options = parser.parse_args()
    rows = read_leads(options.file)
    first = datetime.fromisoformat(options.first_day).replace(tzinfo=UTC)
    events = all_events(rows, first, timedelta(days=options.days), timedelta(days=options.bought_after))
    summary = {"leads": len(rows), "accepted": 0, "duplicates": 0, "rejected": 0}
    while batch := list(islice(events, BATCH)):
        answer = send(options.url, options.key, batch)
        summary["accepted"] += answer["accepted"]
        summary["duplicates"] += answer["duplicates"]
        summary["rejected"] += len(answer["rejected"])
        for refused in answer["rejected"]:
            print(f"{refused['message_id']}: {refused['message']}", file=sys.stderr)
    print(json.dumps(summary))
    return 1 if summary["rejected"] else 0


def read_leads(path: Path) -> list[dict[str, str]]:
    """The rows of the file, oldest lead first."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        return sorted(csv.DictReader(file), key=lambda row: int(row["Lead Number"]))


def all_events(
    rows: list[dict[str, str]], first: datetime, span: timedelta, bought_after: timedelta
) -> Iterator[dict[str, Any]]:
    """Every event of every lead: the leads are spread evenly over ``span``."""
    for place, row in enumerate(rows):
        yield from events_of(row, first + span * place / len(rows), bought_after)


def events_of(row: dict[str, str], at: datetime, bought_after: timedelta) -> Iterator[dict[str, Any]]:
    """The events of one lead: how it came to us with what it told us, each page viewed, and the purchase."""
    number = row["Lead Number"]
    contact = {"external_id": row["Prospect ID"]}
    yield {
        "message_id": f"lead-{number}",
        "kind": kind_of(row),
        "occurred_at": at.isoformat(),
        "contact": contact,
        "traits": traits_of(row),
        "properties": {
            "origin": row["Lead Origin"],
            "seconds_on_website": int(row["Total Time Spent on Website"] or 0),
        },
    }
    for visit in range(int(float(row["TotalVisits"] or 0))):
        yield {
            "message_id": f"visit-{number}-{visit + 1}",
            "kind": "page_viewed",
            "occurred_at": at.isoformat(),
            "contact": contact,
        }
    if row["Converted"] == "1":
        yield {
            "message_id": f"purchase-{number}",
            "kind": "purchased",
            "occurred_at": (at + bought_after).isoformat(),
            "contact": contact,
        }


def kind_of(row: dict[str, str]) -> str:
    """How the lead came: by a chat, or by some form (the property ``origin`` says which)."""
    chatted = row["Lead Origin"] == "API" and row["Lead Source"] in ("Olark Chat", "Live Chat")
    return "chat_started" if chatted else "form_submitted"


def traits_of(row: dict[str, str]) -> dict[str, Any]:
    """What the lead told us; what it left open is left out, so it stays unknown."""
    traits: dict[str, Any] = {name: row[column] for column, name in TEXTS.items() if row[column] not in NOTHING}
    traits |= {name: row[column] == "Yes" for column, name in ANSWERS.items() if row[column] not in NOTHING}
    return traits


def send(url: str, key: str, events: list[dict[str, Any]]) -> dict[str, Any]:
    """Post one batch and return the answer; where Ripen is busy, wait as long as it asks and try again."""
    request = urllib.request.Request(
        f"{url.rstrip('/')}/api/v1/events/",
        data=json.dumps({"events": events}).encode(),
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    while True:
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return dict(json.load(answer))
        except urllib.error.HTTPError as error:
            if error.code not in (429, 503):
                sys.exit(f"Ripen answered {error.code}: {error.read().decode(errors='replace')}")
            time.sleep(float(error.headers.get("Retry-After") or 1))
        except urllib.error.URLError as error:
            sys.exit(f"Nobody answers at {url}: {error.reason}")


if __name__ == "__main__":
    sys.exit(main())
