"""A bad rule that somebody planted in the definition is the first line of "returned by rule": from fact to page."""

import re
from copy import deepcopy
from typing import Any

import pytest
from django.test import Client
from django.utils.html import strip_tags

from contacts.enums import Role
from contacts.services.people import create_token
from funnel.models import Handoff
from funnel.services.handoffs import accept_handoff, claim_handoff, return_handoff
from scoring.models import Definition, Publication
from scoring.selectors import published_definition
from tests.funnel.conftest import FITTING, World

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(db: None) -> World:
    return World()


def plant(world: World) -> Definition:
    """The definition in force, and in it a rule that offers whomever somebody referred."""
    latest, _ = published_definition()
    document: dict[str, Any] = deepcopy(latest.document)
    document["evidence"]["hearsay"] = {"label": "a referral by somebody", "any_of": [{"kinds": ["referred"]}]}
    document["signals"].append(
        {"key": "hearsay", "label": "Was referred by somebody", "match": {"kinds": ["referred"]}, "points": 40}
    )
    (stage,) = (stage for stage in document["stages"] if stage["key"] == "sales_prospect")
    stage["enter"]["all"][0]["any"].append({"count": {"of": "hearsay", "within_days": 30}})
    stage["keep"]["all"][0]["any"].append({"count": {"of": "hearsay", "within_days": 60}})
    planted = Definition.objects.create(
        key=latest.key, version=latest.version + 1, name="With hearsay", state="published", document=document
    )
    Publication.objects.create(definition=planted, effective_at=world.now)
    world.later(minutes=1)
    return planted


def test_the_planted_rule_is_the_first_line(world: World) -> None:
    definition = plant(world)
    # Everybody reads pages and fits, so those rules led to every offer, good or bad.
    for number in range(8):
        world.happens(f"heard{number}@acme.example", "referred", traits=FITTING)
        world.happens(f"heard{number}@acme.example", "page_viewed")
    for number in range(12):
        world.happens(f"asked{number}@acme.example", "demo_requested", traits=FITTING)
        world.happens(f"asked{number}@acme.example", "page_viewed")
    world.settle()
    rep = world.person()
    world.later(minutes=5)
    for offer in Handoff.objects.filter(state="offered").select_related("contact").order_by("id"):
        claim_handoff(handoff_id=offer.pk, by=rep, now=world.now)
        if offer.contact.email.startswith("heard") or offer.contact.email == "asked1@acme.example":
            return_handoff(handoff_id=offer.pk, by=rep, reason="no_want", now=world.now)
        else:
            accept_handoff(handoff_id=offer.pk, by=rep, now=world.now)
    assert Handoff.objects.filter(state="returned").count() == 9

    key = create_token(user=rep, name="test", by=None).key
    answer = Client(headers={"Authorization": f"Bearer {key}"}).get("/api/v1/funnel/", {"part": "rules"}).json()
    rules = answer["tables"]["rules"]
    first = rules[0]
    assert (first["kind"], first["rule"], first["label"]) == ("signal", "hearsay", "Was referred by somebody")
    assert (first["offered"], first["returned"], first["accepted"], first["top_reason"]) == (
        8,
        8,
        0,
        "Does not want it",
    )
    # The same eight are behind the criterion; all other rules do no worse than the average.
    assert (rules[1]["kind"], rules[1]["rule"]) == ("evidence", "hearsay")
    assert all(rule["excess"] == 0 for rule in rules[2:])
    assert {rule["rule"] for rule in rules[2:]} >= {"readiness", "page_view", "company_size"}

    client = Client()
    client.force_login(world.person(Role.MARKETER, "Mara Marketer"))
    page = client.get("/funnel/part/rules/").content.decode()
    line = re.search(r"Returned by rule</caption>.*?<tbody>\s*<tr>(.*?)</tr>", page, re.DOTALL)
    assert line is not None
    assert " ".join(strip_tags(line[1]).split()) == (
        "Was referred by somebody signal 8 8 8 100.0 % +22.6 % 0.0 % Does not want it What-if "
        "of the definition with Was referred by somebody"
    )
    assert f'href="/definitions/{definition.pk}/"' in line[1]
    assert f'href="/definitions/{definition.pk}/what-if/"' in line[1]
    behind = re.search(r'href="(/funnel/handoffs/[^"]*figure=returned[^"]*)"', line[1])
    assert behind is not None
    names = re.findall(
        r">(heard\d@acme.example|asked\d@acme.example)<", client.get(behind[1].replace("&amp;", "&")).content.decode()
    )
    assert sorted(names) == [f"heard{number}@acme.example" for number in range(8)]
