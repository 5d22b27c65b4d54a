"""The team: inviting, roles, deactivating, second factors; and the last administrator stays."""

import re
import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from contacts.enums import Role
from contacts.models import Invitation, PersonalToken, Preferences
from contacts.permissions import roles_of
from contacts.selectors.people import person_of_session
from contacts.services import people
from contacts.services.invitations import accept_invitation, invite_person, link_of
from contacts.services.people import deactivate_person, set_roles
from tests.factories import make_token, make_user

pytestmark = pytest.mark.django_db

PASSWORD = "quite-a-long-passphrase"


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def link_in(page: str) -> str:
    found = re.search(r'secret" type="text" value="https?://[^/]+(/invitation/[^"]+)"', page)
    assert found is not None
    return found[1]


@pytest.fixture
def ada() -> User:
    return make_user(Role.ADMIN, first_name="Ada", last_name="Admin")


def join(link: str, password: str = PASSWORD, client: Client | None = None) -> tuple[Client, int]:
    client = client or Client()
    sent = {"first_name": "Rita", "last_name": "Rep", "password": password, "again": password}
    return client, client.post(link, sent).status_code


class TestInviting:
    def test_who_is_invited_joins_by_the_link_and_is_signed_in(self, ada: User) -> None:
        page = signed_in(ada).post("/team/", {"email": "Rita@Ripen.test", "role": "rep"}).content.decode()
        link = link_in(page)
        (sent,) = mail.outbox
        assert sent.to == ["rita@ripen.test"]
        assert link in sent.body
        assert "Ada Admin invites you" in sent.body
        guest = Client()
        shown = guest.get(link)
        assert shown["Referrer-Policy"] == "no-referrer"
        assert "rita@ripen.test" in shown.content.decode()
        guest, status = join(link, client=guest)
        assert status == 302
        assert guest.get("/queue/").status_code == 200
        rita = User.objects.get(email="rita@ripen.test")
        assert rita.get_full_name() == "Rita Rep"
        assert roles_of(rita) == {Role.REP}
        assert Client().login(username="rita@ripen.test", password=PASSWORD)

    def test_a_link_is_good_once_and_seven_days(self, ada: User) -> None:
        first = invite_person(email="a@ripen.test", roles=[Role.REP], by=ada, now=timezone.now())
        path = "/invitation/" + first.link.partition("/invitation/")[2]
        assert join(path)[1] == 302
        assert join(path)[1] == 404
        old = invite_person(email="b@ripen.test", roles=[Role.REP], by=ada, now=timezone.now() - timedelta(days=8))
        page = Client().get("/invitation/" + old.link.partition("/invitation/")[2])
        assert page.status_code == 404
        assert "good no more" in page.content.decode()
        assert not User.objects.filter(email="b@ripen.test").exists()

    @pytest.mark.parametrize("forged", ["x", "WzEsImEiXQ:1:2", "a" * 3000])
    def test_a_forged_link_opens_nothing(self, forged: str) -> None:
        assert Client().get(f"/invitation/{forged}/").status_code == 404

    def test_sending_again_makes_a_new_link_and_the_old_one_dies(self, ada: User) -> None:
        client = signed_in(ada)
        old = link_in(client.post("/team/", {"email": "a@ripen.test", "role": "rep"}).content.decode())
        invitation = Invitation.objects.get()
        new = link_in(client.post(f"/team/invitations/{invitation.pk}/resend/").content.decode())
        assert (join(old)[1], join(new)[1]) == (404, 302)
        again = client.post(f"/team/invitations/{invitation.pk}/resend/", follow=True)
        assert "accepted or withdrawn meanwhile" in again.content.decode()

    def test_a_withdrawn_one_opens_nothing_and_leaves_the_list(self, ada: User) -> None:
        client = signed_in(ada)
        link = link_in(client.post("/team/", {"email": "a@ripen.test", "role": "rep"}).content.decode())
        assert "a@ripen.test" in client.get("/team/").content.decode()
        page = client.post(f"/team/invitations/{Invitation.objects.get().pk}/withdraw/", follow=True)
        assert "is withdrawn" in page.content.decode()
        assert join(link)[1] == 404
        assert "a@ripen.test" not in client.get("/team/").content.decode()

    def test_an_address_with_an_account_is_refused(self, ada: User) -> None:
        page = signed_in(ada).post("/team/", {"email": ada.email.upper(), "role": "rep"})
        assert page.status_code == 422
        assert "has an account already" in page.content.decode()

    def test_a_weak_password_and_two_different_ones_are_said_beside_their_fields(self, ada: User) -> None:
        sent = invite_person(email="a@ripen.test", roles=[Role.REP], by=ada, now=timezone.now())
        path = "/invitation/" + sent.link.partition("/invitation/")[2]
        client, status = join(path, "1234567890")
        assert status == 422
        names = {"first_name": "A", "password": PASSWORD, "again": PASSWORD + "x"}
        assert "The two passwords differ" in client.post(path, names).content.decode()
        assert join(path)[1] == 302, "the link is still good"

    def test_without_a_mail_server_the_link_is_there_all_the_same(self, ada: User, settings: Settings) -> None:
        settings.EMAIL_BACKEND = "tests.contacts.test_people.NobodyAnswers"
        page = signed_in(ada).post("/team/", {"email": "a@ripen.test", "role": "rep"}).content.decode()
        assert "No mail could be sent" in page
        assert join(link_in(page))[1] == 302


class NobodyAnswers:
    """A mail server that is away."""

    def __init__(self, **options: object) -> None: ...

    def send_messages(self, messages: object) -> int:
        raise ConnectionRefusedError


class TestRoles:
    def test_somebody_may_hold_several(self, ada: User) -> None:
        rita = make_user(Role.REP)
        client = signed_in(ada)
        answer = client.post(f"/team/members/{rita.pk}/", {"roles": ["marketer", "manager"]})
        assert answer.status_code == 302
        assert roles_of(User.objects.get(pk=rita.pk)) == {Role.MARKETER, Role.MANAGER}
        assert client.post(f"/team/members/{rita.pk}/", {}).status_code == 422

    def test_the_last_administrator_keeps_the_role(self, ada: User) -> None:
        page = signed_in(ada).post(f"/team/members/{ada.pk}/", {"roles": ["marketer"]})
        assert page.status_code == 422
        assert "Somebody has to administer" in page.content.decode()
        assert roles_of(User.objects.get(pk=ada.pk)) == {Role.ADMIN}

    def test_a_deactivated_administrator_does_not_count(self, ada: User) -> None:
        make_user(Role.ADMIN, is_active=False)
        with pytest.raises(ValidationError, match="Somebody has to administer"):
            set_roles(person=ada, roles=[Role.REP], by=ada)

    def test_only_administrators_change_them(self) -> None:
        max_manager, rita = make_user(Role.MANAGER), make_user(Role.REP)
        with pytest.raises(PermissionDenied):
            set_roles(person=rita, roles=[Role.ADMIN], by=max_manager)


class TestDeactivating:
    def test_sessions_end_and_tokens_die(self, ada: User) -> None:
        rita = make_user(Role.REP)
        theirs, token = signed_in(rita), make_token(rita)
        assert theirs.get("/queue/").status_code == 200
        client = signed_in(ada)
        shown = client.get(f"/team/members/{rita.pk}/deactivate/").content.decode()
        assert "One session ends at once" in shown
        assert "One token is revoked for good" in shown
        assert client.post(f"/team/members/{rita.pk}/deactivate/").status_code == 302
        assert theirs.get("/queue/").status_code == 302
        bearer = {"Authorization": f"Bearer {token}"}
        assert Client().get("/api/v1/contacts/", headers=bearer).status_code == 401
        assert not UserSession.objects.filter(user=rita).exists()
        assert "deactivated" in client.get("/team/").content.decode()
        assert client.post(f"/team/members/{rita.pk}/reactivate/").status_code == 302
        assert User.objects.get(pk=rita.pk).is_active
        assert theirs.get("/queue/").status_code == 302, "an ended session stays ended"
        assert Client().get("/api/v1/contacts/", headers=bearer).status_code == 401, "and a revoked token revoked"

    def test_nobody_deactivates_themselves(self, ada: User) -> None:
        make_user(Role.ADMIN)
        page = signed_in(ada).post(f"/team/members/{ada.pk}/deactivate/")
        assert page.status_code == 409
        assert "You cannot deactivate yourself" in page.content.decode()

    def test_a_second_factor_is_reset_by_an_administrator_and_not_by_oneself(self, ada: User) -> None:
        rita = make_user(Role.REP)
        for person in (rita, ada):
            Authenticator.objects.create(user=person, type=Authenticator.Type.TOTP, data={"secret": "x"})
        client = signed_in(ada)
        assert client.post(f"/team/members/{rita.pk}/reset-second-factor/").status_code == 302
        assert not Authenticator.objects.filter(user=rita).exists()
        assert client.post(f"/team/members/{ada.pk}/reset-second-factor/").status_code == 409

    def test_other_acts_are_not_there(self, ada: User) -> None:
        assert signed_in(ada).post(f"/team/members/{ada.pk}/promote/").status_code == 404
        assert signed_in(ada).post("/team/invitations/7/resend/").status_code == 404


def at_once(*acts: Callable[[], object]) -> list[str]:
    """Run the acts in threads that start together; what each raised, by name."""
    barrier, raised = threading.Barrier(len(acts)), []

    def run(act: Callable[[], object]) -> None:
        barrier.wait()
        try:
            act()
        except (PermissionDenied, ValidationError) as error:
            raised.append(type(error).__name__)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return raised


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
class TestRaces:
    def rounds(self) -> set[int]:
        """How many administrators were left when two took each other's role at once, again and again."""
        left = set()
        for _ in range(4):
            User.objects.all().delete()
            first, second = make_user(Role.ADMIN), make_user(Role.ADMIN)
            at_once(
                partial(set_roles, person=second, roles=[Role.REP], by=first),
                partial(set_roles, person=first, roles=[Role.REP], by=second),
            )
            left.add(User.objects.filter(groups__name=Role.ADMIN).count())
        return left

    def test_two_administrators_who_remove_each_other_leave_one(self) -> None:
        assert self.rounds() == {1}

    def test_without_the_lock_none_would_be_left(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The control: the same race, where both are let through the check before either has written."""
        meet = threading.Barrier(2)
        monkeypatch.setattr(people, "_lock_administrators", lambda by: None)
        kept = people._keep_an_administrator

        def keep(field: str | None = None) -> None:
            meet.wait(20)
            kept(field)
            meet.wait(20)

        monkeypatch.setattr(people, "_keep_an_administrator", keep)
        first, second = make_user(Role.ADMIN), make_user(Role.ADMIN)
        at_once(
            lambda: set_roles(person=second, roles=[Role.REP], by=first),
            lambda: set_roles(person=first, roles=[Role.REP], by=second),
        )
        assert User.objects.filter(groups__name=Role.ADMIN).count() == 0

    def test_of_two_who_open_a_link_at_once_one_joins(self) -> None:
        ada = make_user(Role.ADMIN)
        sent = invite_person(email="a@ripen.test", roles=[Role.REP], by=ada, now=timezone.now())
        signed = link_of(sent.invitation).partition("/invitation/")[2].rstrip("/")
        made: list[User | None] = []

        def accept() -> None:
            given = {"first_name": "A", "last_name": "", "password": PASSWORD}
            made.append(accept_invitation(signed=signed, now=timezone.now(), **given))

        at_once(accept, accept)
        assert sorted(one is not None for one in made) == [False, True]
        assert User.objects.filter(email="a@ripen.test").count() == 1


def test_deactivating_revokes_only_what_is_theirs(ada: User) -> None:
    rita, ben = make_user(Role.REP), make_user(Role.REP)
    make_token(rita)
    make_token(ben)
    deactivate_person(person=rita, by=ada, now=timezone.now())
    assert list(PersonalToken.objects.filter(revoked_at=None).values_list("user", flat=True)) == [ben.pk]


class TestThePersonOfASession:
    def test_comes_with_roles_and_preferences_by_one_query(
        self, ada: User, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        """Every field is that of the database, and what was brought along is not asked for again."""
        Preferences.objects.create(user=ada, language="de", time_zone="Europe/Berlin", hides_first_steps=True)
        with django_assert_num_queries(1):
            found = person_of_session(ada.pk)
            assert found is not None
            assert roles_of(found) == {Role.ADMIN}
            kept = found.preferences
        for one in (found, kept):
            stored = type(one).objects.filter(pk=one.pk).values().get()
            assert {name: getattr(one, name) for name in stored} == stored
        found.first_name = "Augusta"
        found.save()
        assert User.objects.get(pk=ada.pk).first_name == "Augusta"

    def test_may_have_neither_and_may_be_nobody(self, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        rita = User.objects.create(username="rita")
        with django_assert_num_queries(1):
            found = person_of_session(rita.pk)
            assert found is not None
            assert roles_of(found) == frozenset()
            assert not hasattr(found, "preferences")
        assert person_of_session(rita.pk + 1_000) is None

    def test_has_the_roles_of_the_moment_in_every_request(self, ada: User) -> None:
        rita = make_user(Role.REP)
        client = signed_in(rita)
        assert client.get("/team/").status_code == 403
        set_roles(person=rita, roles={Role.ADMIN}, by=ada)
        assert roles_of(rita) == {Role.ADMIN}
        assert client.get("/team/").status_code == 200

    def test_is_signed_out_where_the_session_is_over(self) -> None:
        client = signed_in(make_user(Role.REP))
        assert client.get("/contacts/").status_code == 200
        Session.objects.update(expire_date=timezone.now())
        answer = client.get("/contacts/")
        assert (answer.status_code, answer.headers["Location"]) == (302, "/account/login/?next=/contacts/")
