"""The list of what one was told, its badge on every page, and how one chooses what that is."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from contacts.enums import Role
from funnel.enums import MailMode, NoticeKind
from funnel.models import DigestPlan, Notification, NotificationItem, NotificationSetting
from funnel.services.notices.audience import Notice
from funnel.services.notices.staff import load_staff
from funnel.services.notices.telling import write_notices
from tests.funnel.conftest import World

pytestmark = pytest.mark.django_db


@pytest.fixture
def rita(world: World) -> User:
    return world.person(Role.REP, "Rita Rep")


@pytest.fixture
def site(rita: User) -> Client:
    client = Client()
    client.force_login(rita)
    return client


_numbers = iter(range(1, 10_000))


def tell(
    world: World, user: User, kind: NoticeKind = NoticeKind.GIVEN, what: str = "kept", *, things: int = 1, **more: Any
) -> Notification:
    """Tell ``user`` of so many things of a kind in one line."""
    notices = [
        Notice(user_id=user.pk, kind=kind, what=what, key=f"test:{next(_numbers)}", at=world.now, **more)
        for _ in range(things)
    ]
    write_notices(notices, staff=load_staff(), now=world.now)
    return Notification.objects.latest("id")


def read(client: Client, path: str, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status
    return answer.content.decode()


def test_a_line_says_what_happened_and_leads_there(world: World, rita: User, site: Client) -> None:
    handoff = world.offer("ann@acme.example")
    boss = world.person(Role.MANAGER, "Max Manager")
    tell(world, rita, what="passed_on", contact_id=handoff.contact_id, handoff_id=handoff.pk, by_id=boss.pk)
    text = read(site, "/notifications/")
    assert "Max Manager gave you ann@acme.example" in text
    assert f'href="/handoffs/{handoff.pk}/"' in text
    assert "is-unread" in text


def test_several_of_a_kind_are_a_line_that_opens_into_all_of_them(world: World, rita: User, site: Client) -> None:
    handoffs = [world.offer(f"{name}@acme.example") for name in ("ann", "ben", "cleo", "dora")]
    for handoff in handoffs:
        tell(world, rita, contact_id=handoff.contact_id, handoff_id=handoff.pk)
    text = read(site, "/notifications/")
    assert "4 prospects were given to you" in text
    assert "dora@acme.example, cleo@acme.example, ben@acme.example and 1 more" in text
    line = Notification.objects.get()
    opened = read(site, f"/notifications/{line.pk}/")
    assert all(f'href="/handoffs/{handoff.pk}/"' in opened for handoff in handoffs)
    assert "ann@acme.example is kept for you" in opened


def test_unread_comes_first_and_pages_follow_a_key(world: World, rita: User, site: Client) -> None:
    for number in range(60):
        kind = NoticeKind.GIVEN if number % 2 else NoticeKind.DUE
        tell(world, rita, kind, "kept" if number % 2 else "due")
        world.later(hours=3)
    Notification.objects.filter(kind=NoticeKind.GIVEN).update(read_at=world.now)
    answer = site.get("/notifications/")
    lines = list(answer.context["lines"])
    while answer.context["next_url"]:
        answer = site.get(f"/notifications/{answer.context['next_url']}")
        lines += answer.context["lines"]
    expected = Notification.objects.filter(user=rita)
    assert [line.id for line in lines] == [
        *expected.filter(read_at=None).order_by("-at").values_list("pk", flat=True),
        *expected.filter(read_at__isnull=False).order_by("-at").values_list("pk", flat=True),
    ]


@pytest.mark.parametrize(
    "after", ["x", "u.yesterday.1", "u.2026-01-01T00:00:00.1", "r.2026-01-01T00:00:00+00:00.x", "é"]
)
def test_a_place_that_makes_no_sense_shows_the_start(world: World, rita: User, site: Client, after: str) -> None:
    tell(world, rita)
    assert "is kept for you" in read(site, f"/notifications/?after={after}")


def test_one_and_all_are_read_by_plain_forms(world: World, rita: User, site: Client) -> None:
    first, second = tell(world, rita), tell(world, rita, NoticeKind.DUE, "due")
    answer = site.post(f"/notifications/{first.pk}/read/")
    assert (answer.status_code, answer["Location"]) == (302, "/notifications/")
    assert set(Notification.objects.filter(read_at=None)) == {second}
    site.post("/notifications/read/", {"until": (world.now - timedelta(hours=1)).isoformat()})
    assert Notification.objects.filter(read_at=None).exists(), "what came after the page was shown stays unread"
    site.post("/notifications/read/", {"until": (world.now + timedelta(hours=1)).isoformat()})
    assert not Notification.objects.filter(read_at=None).exists()


def test_nobody_sees_or_reads_what_another_was_told(world: World, rita: User, site: Client) -> None:
    line = tell(world, world.person(Role.REP, "Ben Rep"))
    assert "Nothing yet" in read(site, "/notifications/")
    read(site, f"/notifications/{line.pk}/", status=404)
    assert site.post(f"/notifications/{line.pk}/read/").status_code == 404
    site.post("/notifications/read/")
    assert Notification.objects.get().read_at is None


def test_what_a_lost_role_was_told_is_seen_no_more(world: World, rita: User, site: Client) -> None:
    tell(world, rita)
    from django.contrib.auth.models import Group

    rita.groups.set([Group.objects.get(name=Role.MARKETER.value)])
    assert "Nothing yet" in read(site, "/notifications/")


@pytest.mark.parametrize("path", ["/", "/contacts/", "/notifications/"])
def test_every_page_says_how_many_are_unread(world: World, rita: User, site: Client, path: str) -> None:
    assert 'data-count-box="notifications"' in read(site, path)
    tell(world, rita)
    tell(world, rita, NoticeKind.DUE, "due")
    assert read(site, path).count('<span data-count="notifications">2</span>') == 3, "sidebar, bell, menu"


def test_the_number_of_queries_does_not_grow(world: World, rita: User, site: Client) -> None:
    def cost(path: str) -> int:
        read(site, path)
        with CaptureQueriesContext(connection) as captured:
            read(site, path)
        return len(captured)

    def add(name: str) -> None:
        handoff, boss = world.offer(f"{name}@acme.example"), world.person(Role.MANAGER, f"{name} Boss")
        tell(world, rita, what="passed_on", contact_id=handoff.contact_id, handoff_id=handoff.pk, by_id=boss.pk)
        data = {"from": "lead", "to": "audience"}
        tell(world, rita, NoticeKind.STAGE, "fell", contact_id=handoff.contact_id, data=data)
        world.later(hours=3)

    add("ann")
    one, one_live = cost("/notifications/"), cost("/notifications/live/?since=2020-01-01T00:00:00%2B00:00")
    add("ben")
    add("cleo")
    assert cost("/notifications/") == one
    assert cost("/notifications/live/?since=2020-01-01T00:00:00%2B00:00") == one_live


class TestLive:
    def test_says_what_is_new_once(self, world: World, rita: User, site: Client) -> None:
        handoff = world.offer("ann@acme.example")
        line = tell(world, rita, contact_id=handoff.contact_id, handoff_id=handoff.pk)
        since = (world.now - timedelta(seconds=1)).isoformat().replace("+", "%2B")
        answer = site.get(f"/notifications/live/?since={since}")
        told = answer.json()
        assert (told["unread"], told["number"]) == ("1", 1)
        assert told["new"] == [
            {
                "id": str(line.pk), "text": "ann@acme.example is kept for you", "names": "",
                "url": f"/handoffs/{handoff.pk}/",
            }
        ]  # fmt: skip
        again = told["at"].replace("+", "%2B")
        assert site.get(f"/notifications/live/?since={again}").json()["new"] == []

    def test_answers_304_while_nothing_changes_and_asks_the_database_little(
        self, world: World, rita: User, site: Client
    ) -> None:
        tell(world, rita)
        tag = site.get("/notifications/live/")["ETag"]
        with CaptureQueriesContext(connection) as captured:
            answer = site.get("/notifications/live/", headers={"If-None-Match": tag})
        assert (answer.status_code, answer.content) == (304, b"")
        # The session, its user with their roles, and the count.
        assert len(captured) == 3
        assert not [query for query in captured if query["sql"].startswith(("INSERT", "UPDATE", "DELETE"))]
        tell(world, rita, NoticeKind.DUE, "due")
        assert site.get("/notifications/live/", headers={"If-None-Match": tag}).status_code == 200

    def test_does_not_prolong_the_session(self, world: World, rita: User, site: Client) -> None:
        before = Session.objects.get().expire_date
        site.get("/notifications/live/")
        assert Session.objects.get().expire_date == before

    def test_who_signed_out_is_led_to_sign_in(self) -> None:
        assert Client().get("/notifications/live/").status_code == 302

    @pytest.mark.parametrize("since", ["", "x", "2026-13-40T00:00:00Z", "2026-01-01"])
    def test_a_time_that_makes_no_sense_brings_only_the_count(
        self, world: World, rita: User, site: Client, since: str
    ) -> None:
        tell(world, rita)
        told = site.get("/notifications/live/", {"since": since}).json()
        assert (told["number"], told["new"]) == (1, [])


class TestSettings:
    def test_shows_what_the_role_is_told_of_and_how(self, rita: User, site: Client) -> None:
        text = read(site, "/account/notifications/")
        assert "Given to you" in text
        assert "Returned to Marketing" not in text
        assert "rita.rep@ripen.example" in text

    def fields(self, site: Client, **changes: Any) -> dict[str, Any]:
        form = site.get("/account/notifications/").context["form"]
        given = {name: form[name].initial for name in form.fields}
        given = {name: value for name, value in given.items() if value not in (False, None)}
        return {name: value for name, value in {**given, **changes}.items() if value is not None}

    def test_what_is_chosen_holds_and_what_equals_the_default_is_not_kept(
        self, world: World, rita: User, site: Client
    ) -> None:
        given = self.fields(
            site, **{"queue-app": None, "due-mail": "never", "hour": 17, "days": [0, 2], "time_zone": "Asia/Tokyo"}
        )
        answer = site.post("/account/notifications/", given)
        assert answer.status_code == 302, answer.context and answer.context["form"].errors
        kept = {row.kind: (row.in_app, row.mail) for row in NotificationSetting.objects.filter(user=rita)}
        assert kept == {"queue": (False, "never"), "due": (True, "never")}
        plan = DigestPlan.objects.get(user=rita)
        assert (plan.hour, plan.days, plan.time_zone) == (17, [0, 2], "Asia/Tokyo")
        assert plan.due_at > datetime.now(UTC)
        assert (plan.due_at.astimezone(UTC).hour, plan.due_at.weekday() in {0, 2}) == (8, True)
        write_notices(
            [Notice(rita.pk, NoticeKind.QUEUE, "offered", "k:1", world.now)], staff=load_staff(), now=world.now
        )
        assert not Notification.objects.exists()

    def test_what_waits_to_be_mailed_follows_the_choice(self, world: World, rita: User, site: Client) -> None:
        tell(world, rita)
        assert NotificationItem.objects.get().mail_mode == MailMode.AT_ONCE
        site.post("/account/notifications/", self.fields(site, **{"given-mail": "digest"}))
        assert NotificationItem.objects.get().mail_mode == MailMode.DIGEST

    @pytest.mark.parametrize(
        ("name", "value"), [("hour", "25"), ("days", "9"), ("time_zone", "Mars/Olympus"), ("given-mail", "often")]
    )
    def test_what_makes_no_sense_comes_back(self, rita: User, site: Client, name: str, value: str) -> None:
        answer = site.post("/account/notifications/", self.fields(site, **{name: value}))
        assert answer.status_code == 422
        assert not NotificationSetting.objects.exists()

    def test_a_kind_of_another_role_cannot_be_switched_on(self, rita: User, site: Client) -> None:
        site.post("/account/notifications/", self.fields(site, **{"returned-app": "on", "returned-mail": "at_once"}))
        assert not NotificationSetting.objects.exists()

    def test_somebody_without_a_role_gets_nowhere(self) -> None:
        client = Client()
        client.force_login(User.objects.create_user("newcomer"))
        assert client.get("/account/notifications/").status_code == 403
        assert Client().get("/account/notifications/").status_code == 302


class TestApi:
    def test_lists_ones_own_and_reads_them(self, world: World, rita: User, site: Client) -> None:
        handoff = world.offer("ann@acme.example")
        line = tell(world, rita, contact_id=handoff.contact_id, handoff_id=handoff.pk)
        tell(world, world.person(Role.REP, "Ben Rep"))
        (row,) = site.get("/api/v1/notifications/?unread=true").json()["results"]
        assert row == {
            "id": str(line.pk), "kind": "given", "text": "ann@acme.example is kept for you", "names": "",
            "url": f"/handoffs/{handoff.pk}/", "count": 1, "at": row["at"], "unread": True,
        }  # fmt: skip
        assert site.post(f"/api/v1/notifications/{line.pk}/read/").json()["unread"] is False
        assert site.get("/api/v1/notifications/?unread=true").json()["results"] == []
        assert site.get("/api/v1/notifications/?kind=given").json()["results"] != []
        assert site.get("/api/v1/notifications/?kind=nonsense").status_code == 400
        assert site.post("/api/v1/notifications/999/read/").status_code == 404

    def test_pages_follow_a_cursor(self, world: World, rita: User, site: Client) -> None:
        for _ in range(3):
            tell(world, rita)
            world.later(hours=3)
        first = site.get("/api/v1/notifications/?limit=2").json()
        second = site.get(first["next"]).json()
        assert [len(first["results"]), len(second["results"])] == [2, 1]
        assert second["next"] is None

    def test_reads_all(self, world: World, rita: User, site: Client) -> None:
        tell(world, rita)
        assert site.post("/api/v1/notifications/read/").json() == {"read": 1}
        assert site.post("/api/v1/notifications/read/").json() == {"read": 0}

    def test_settings_change_by_parts(self, rita: User, site: Client) -> None:
        before = site.get("/api/v1/notifications/settings/").json()
        change = {"kinds": [{"kind": "queue", "mail": "digest"}], "digest": {"hour": 6}}
        answer = site.patch("/api/v1/notifications/settings/", json.dumps(change), content_type="application/json")
        after = answer.json()
        assert answer.status_code == 200, after
        assert after["digest"] == {**before["digest"], "hour": 6}
        changed = [row for row in after["kinds"] if row not in before["kinds"]]
        assert changed == [{"kind": "queue", "in_app": True, "mail": "digest"}]

    @pytest.mark.parametrize(
        "change",
        [
            {"kinds": [{"kind": "returned", "mail": "digest"}]},
            {"kinds": [{"kind": "nonsense"}]},
            {"digest": {"hour": 24}},
            {"digest": {"time_zone": "Mars/Olympus"}},
            {"digest": {"days": [7]}},
        ],
    )
    def test_what_makes_no_sense_is_refused(self, rita: User, site: Client, change: dict[str, Any]) -> None:
        answer = site.patch("/api/v1/notifications/settings/", json.dumps(change), content_type="application/json")
        assert answer.status_code == 400
        assert not NotificationSetting.objects.exists()
