"""The editor's form as a browser without scripts posts it."""

import re
from html import unescape
from html.parser import HTMLParser
from typing import Any

from django.test import Client
from django.utils.datastructures import MultiValueDict
from django.utils.http import urlencode

from scoring.models import Definition

Pairs = list[tuple[str, str]]


class _Fields(HTMLParser):
    """Collects what a browser would post of the form with the id ``editor``, its buttons aside."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pairs: Pairs = []
        self.inside = False
        self.select = self.area = ""
        self.chosen: str | None = None
        self.first: str | None = None
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.inside = said.get("id") == "editor"
        if not self.inside:
            return
        if tag == "input" and "name" in said and (said.get("type") != "checkbox" or "checked" in said):
            self.pairs.append((said["name"], said.get("value", "")))
        elif tag == "select":
            self.select, self.chosen, self.first = said["name"], None, None
        elif tag == "option" and self.select:
            self.first = said["value"] if self.first is None else self.first
            self.chosen = said["value"] if "selected" in said else self.chosen
        elif tag == "textarea":
            self.area, self.text = said["name"], ""

    def handle_data(self, data: str) -> None:
        if self.area:
            self.text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "select" and self.select:
            self.pairs.append((self.select, (self.first if self.chosen is None else self.chosen) or ""))
            self.select = ""
        elif tag == "textarea" and self.area:
            # A browser drops the line end right after the tag and posts line ends as CR LF.
            self.pairs.append((self.area, self.text.removeprefix("\n").replace("\n", "\r\n")))
            self.area = ""
        elif tag == "form":
            self.inside = False


def fields_of(page: str) -> dict[str, list[str]]:
    parser = _Fields()
    parser.feed(page)
    lists: MultiValueDict[str, str] = MultiValueDict()
    for name, value in parser.pairs:
        lists.appendlist(name, value)
    return dict(lists.lists())


def url(draft: Definition) -> str:
    return f"/definitions/{draft.pk}/edit/"


def read(client: Client, path: str, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status
    return answer.content.decode()


def post(client: Client, path: str, fields: dict[str, Any], *, status: int = 200, **more: Any) -> str:
    """Post as the form does; answers the page that follows, after a redirect too."""
    answer = client.post(
        path,
        urlencode({**fields, **more}, doseq=True),
        content_type="application/x-www-form-urlencoded",
        follow=True,
    )
    assert answer.status_code == status, answer.content.decode()[:2_000]
    return answer.content.decode()


def said_at(page: str, name: str) -> str:
    """What is wrong with a field, as the page says it there."""
    found = re.search(rf'id="f-{re.escape(name)}-e"( hidden)?>([^<]*)</p>', page)
    assert found is not None, f"no field {name}"
    return "" if found[1] else unescape(found[2])


def post_import(client: Client, text: str) -> Definition:
    post(client, "/definitions/import/", {"yaml": text})
    return Definition.objects.latest("pk")


BUILT = """\
key: our-definition
name: Our definition
description: What we call lead and customer.
stages:
- key: lead
  label: Lead
  owner: marketing
  description: Everybody we know.
  communication: One-to-many.
- key: sales_prospect
  label: Ready
  owner: sales
  description: ''
  communication: ''
  handoff: true
  sla_hours: 4
  enter:
    all:
    - count: {of: a_demo_request}
    - gate: means
    - not: {switch: retail}
- key: customer
  label: Customer
  owner: sales
  description: Bought something.
  communication: Success and referral.
  enter:
    count: {of: purchase}
evidence:
  purchase:
    label: a purchase
    any_of:
    - kinds: [purchased]
  a_demo_request:
    label: a demo request
    any_of:
    - kinds: [demo_requested]
      properties:
        with: {present: true}
signals:
- key: demo
  label: Demo
  match: {kinds: [demo_requested]}
  points: 40
  count: {latest: 3}
  group: all_of_it
groups:
- key: all_of_it
  label: All of it
  cap: 50
fit:
  rules:
  - key: size
    label: Size
    test: {name: company.employees, at_least: 50}
    points: 10
gates:
- key: means
  label: Means
  attribute: means
  closed_when: 'no'
  question: Can they pay?
qualifiers:
- key: need
  label: Need
  test: {name: attributes.need, known: true}
  question: Do they need it?
switches:
  retail: true
approval: [sales]
cool_down:
  lifted_by: a_demo_request
"""
