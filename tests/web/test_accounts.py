"""Signing in with a second factor, recovery codes, sessions, one's language and time zone, mails about changes."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import (
    TOTP,
    format_hotp_value,
    generate_totp_secret,
    hotp_value,
    yield_hotp_counters_from_time,
)
from django.contrib.auth.models import User
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import translation
from pytest_django.fixtures import Settings
from time_machine import TimeMachineFixture

from contacts.enums import Role
from contacts.models import PersonalToken, Preferences
from tests.factories import make_user

pytestmark = pytest.mark.django_db

PASSWORD = "quite-a-long-passphrase"


@pytest.fixture
def rita() -> User:
    user = make_user(Role.REP, email="rita@ripen.test", username="rita@ripen.test")
    user.set_password(PASSWORD)
    user.save()
    return user


def code_of(secret: str) -> str:
    return str(format_hotp_value(hotp_value(secret, next(iter(yield_hotp_counters_from_time())))))


def sign_in(client: Client) -> str:
    """Give the password; return where it leads."""
    return str(client.post("/account/login/", {"login": "rita@ripen.test", "password": PASSWORD})["Location"])


def confirm(client: Client) -> None:
    """Say once more who one is, which changes to one's security ask for."""
    client.post("/account/reauthenticate/", {"password": PASSWORD})


def with_app(user: User) -> str:
    """Give somebody an authenticator app; return its secret."""
    secret = str(generate_totp_secret())
    TOTP.activate(user, secret)
    return secret


class TestSecondFactors:
    def test_an_app_is_set_up_and_asked_for_from_then_on(self, client: Client, rita: User) -> None:
        sign_in(client)
        confirm(client)
        page = client.get("/account/security/totp/activate/").content.decode()
        assert "<svg" in page.partition('class="qr"')[2][:300]
        assert "data:" not in page
        found = re.search(r'id="totp-key" type="text" value="([A-Z2-7]+)"', page)
        assert found is not None
        wrong = client.post("/account/security/totp/activate/", {"code": "000000"}).content.decode()
        assert "Incorrect code" in wrong
        assert found[1] in wrong, "the key that was scanned stays"
        answer = client.post("/account/security/totp/activate/", {"code": code_of(found[1])})
        assert answer["Location"] == "/account/security/recovery-codes/"
        codes = re.findall(r"<li>([^<]{8,12})</li>", client.get(answer["Location"]).content.decode())
        assert len(codes) == 10
        download = client.get("/account/security/recovery-codes/download/")
        assert download.content.decode().split() == codes
        assert "attachment" in download["Content-Disposition"]

        other = Client()
        assert sign_in(other) == "/account/security/authenticate/"
        assert other.get("/queue/").status_code == 302, "the password alone opens nothing"
        page = other.get("/account/security/authenticate/").content.decode()
        assert "Enter the code your app shows" in page
        used = other.post("/account/security/authenticate/", {"code": codes[0]})
        assert used["Location"] == "/"
        assert other.get("/queue/").status_code == 200

    def test_a_code_of_the_app_signs_in(self, client: Client, rita: User) -> None:
        secret = with_app(rita)
        sign_in(client)
        refused = client.post("/account/security/authenticate/", {"code": "123"})
        assert "Incorrect code" in refused.content.decode()
        assert client.post("/account/security/authenticate/", {"code": code_of(secret)})["Location"] == "/"

    def test_a_recovery_code_is_good_once(self, client: Client, rita: User) -> None:
        with_app(rita)
        code = RecoveryCodes.activate(rita).get_unused_codes()[0]
        sign_in(client)
        assert client.post("/account/security/authenticate/", {"code": code})["Location"] == "/"
        other = Client()
        sign_in(other)
        assert "Incorrect code" in other.post("/account/security/authenticate/", {"code": code}).content.decode()
        assert "9 codes are left" in client.get("/account/security/").content.decode()

    def test_new_recovery_codes_end_the_old_ones(self, client: Client, rita: User) -> None:
        with_app(rita)
        old = RecoveryCodes.activate(rita).get_unused_codes()
        sign_in(client)
        client.post("/account/security/authenticate/", {"code": old[0]})
        confirm(client)
        asked = client.get("/account/security/recovery-codes/generate/").content.decode()
        assert "9 codes that are left stop working" in asked
        client.post("/account/security/recovery-codes/generate/")
        new = RecoveryCodes(Authenticator.objects.get(user=rita, type="recovery_codes")).get_unused_codes()
        assert not set(old) & set(new)

    def test_changes_ask_again_who_it_is(self, client: Client, rita: User) -> None:
        client.force_login(rita)
        page = client.get("/account/security/totp/activate/", follow=True)
        assert "Is it still you?" in page.content.decode()
        again = {"password": PASSWORD, "next": "/account/security/totp/activate/"}
        assert client.post("/account/reauthenticate/", again)["Location"] == "/account/security/totp/activate/"
        assert "Set up an authenticator app" in client.get("/account/security/totp/activate/").content.decode()

    def test_an_installation_may_ask_for_one(self, client: Client, rita: User, settings: Settings) -> None:
        settings.REQUIRE_SECOND_FACTOR = "all"
        client.force_login(rita)
        page = client.get("/queue/", follow=True)
        assert page.request["PATH_INFO"] == "/account/security/"
        assert "asks for a second factor" in page.content.decode()
        assert client.get("/docs/accounts/").status_code == 200
        assert client.get("/api/v1/contacts/").status_code == 403
        with_app(rita)
        assert client.get("/queue/").status_code == 200

    def test_an_installation_may_ask_administrators_alone_for_one(
        self, client: Client, rita: User, settings: Settings
    ) -> None:
        settings.REQUIRE_SECOND_FACTOR = "admins"
        client.force_login(rita)
        assert client.get("/queue/").status_code == 200
        admin = make_user(Role.ADMIN, email="ada@ripen.test", username="ada@ripen.test")
        client.force_login(admin)
        assert client.get("/team/", follow=True).request["PATH_INFO"] == "/account/security/"
        with_app(admin)
        assert client.get("/team/").status_code == 200

    def test_a_code_is_good_once_however_long_its_time_and_without_the_cache(
        self, rita: User, settings: Settings, time_machine: TimeMachineFixture
    ) -> None:
        settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
        begun = datetime(2026, 11, 23, 9, 0, 1, tzinfo=UTC)
        time_machine.move_to(begun)
        # The code of the next half minute: taken now, and for more than a minute from now on.
        code = str(format_hotp_value(hotp_value(with_app(rita), int(begun.timestamp()) // 30 + 1)))

        def enter(written: str) -> str:
            client = Client()
            sign_in(client)
            answer = client.post("/account/security/authenticate/", {"code": written})
            return answer["Location"] if answer.status_code == 302 else answer.content.decode()

        assert enter(code) == "/"
        assert "Incorrect code" in enter(code)
        time_machine.move_to(begun + timedelta(seconds=70))
        assert "Incorrect code" in enter(f"{code[:3]} {code[3:]}")

    def test_a_seed_that_was_kept_in_the_open_is_sealed_when_it_is_used(self, client: Client, rita: User) -> None:
        secret = with_app(rita)
        Authenticator.objects.update(data={"secret": secret})
        sign_in(client)
        client.post("/account/security/authenticate/", {"code": code_of(secret)})
        assert client.get("/queue/").status_code == 200
        assert Authenticator.objects.get(user=rita, type="totp").data["secret"].startswith("sealed:")

    def test_under_another_key_no_code_is_right(self, client: Client, rita: User, settings: Settings) -> None:
        secret = with_app(rita)
        sign_in(client)
        settings.HASH_KEY = b"another installation's"
        answer = client.post("/account/security/authenticate/", {"code": code_of(secret)})
        assert "Incorrect code" in answer.content.decode()

    def test_the_pages_hold_nothing_inline_and_need_no_scripts(self, client: Client, rita: User) -> None:
        sign_in(client)
        confirm(client)
        for path in ("/account/login/", "/account/security/", "/account/security/webauthn/add/", "/account/sessions/"):
            page = client.get(path, follow=True).content.decode()
            assert not re.search(r"<script(?![^>]*(src=|application/json))", page), path
            assert not re.search(r"<[a-z][^<>]* (style|onclick)=", page), path
        page = client.get("/account/security/webauthn/add/").content.decode()
        assert "Passkeys need scripts." in page.partition("<noscript>")[2].partition("</noscript>")[0]


class TestSessions:
    def test_ends_all_others_and_stays_here(self, client: Client, rita: User) -> None:
        sign_in(client)
        other = Client(headers={"User-Agent": "Mozilla/5.0 (Windows NT 10.0; rv:140.0) Gecko/20100101 Firefox/140.0"})
        sign_in(other)
        page = client.get("/account/sessions/").content.decode()
        assert "Firefox, Windows" in page
        assert "this one" in page
        client.post("/account/sessions/")
        assert client.get("/queue/").status_code == 200
        assert other.get("/queue/").status_code == 302
        assert "nowhere else" in client.get("/account/sessions/").content.decode()

    def test_a_new_password_ends_the_others(self, client: Client, rita: User) -> None:
        sign_in(client)
        other = Client()
        sign_in(other)
        new = "another-long-passphrase"
        client.post("/account/password/change/", {"oldpassword": PASSWORD, "password1": new, "password2": new})
        assert client.get("/queue/").status_code == 200
        assert other.get("/queue/").status_code == 302
        told = mail.outbox[0]
        assert told.to == [rita.email]
        assert "account at Ripen was changed" in str(told.body)

    def test_an_empty_field_shows_no_answer(self, client: Client, rita: User) -> None:
        sign_in(client)
        page = client.get("/account/password/change/").content.decode()
        assert ">Current Password</label>" in page
        assert "placeholder=" not in page.partition("<main")[2].partition("</main>")[0]

    def test_a_page_costs_no_write_for_it(self, client: Client, rita: User) -> None:
        sign_in(client)
        client.get("/account/")
        with CaptureQueriesContext(connection) as captured:
            client.get("/account/")
        assert not [one for one in captured if "usersession" in one["sql"] or one["sql"].startswith("UPDATE")]
        assert sum("contacts_preferences" in one["sql"] for one in captured) == 1, "read with the person"


class TestProfile:
    def test_saving_the_language_takes_effect_on_the_answer(self, client: Client, rita: User) -> None:
        client.force_login(rita)
        said = {"first_name": "Rita", "last_name": "Rep", "language": "de", "time_zone": "Europe/Berlin"}
        page = client.post("/account/", said, follow=True)
        assert page["Content-Language"] == "de"
        assert '<html lang="de"' in page.content.decode()
        rita.refresh_from_db()
        assert rita.get_full_name() == "Rita Rep"
        assert Preferences.objects.get(user=rita).time_zone == "Europe/Berlin"
        back = client.post("/account/", {**said, "language": ""}, follow=True)
        assert back["Content-Language"] == "en-gb"

    def test_times_are_shown_in_ones_own_zone(self, client: Client, rita: User) -> None:
        client.force_login(rita)
        token = PersonalToken.objects.create(user=rita, name="old", key_hash="x", key_prefix="x")
        at = datetime(2026, 7, 1, 22, 30, tzinfo=UTC)
        PersonalToken.objects.filter(pk=token.pk).update(created_at=at)
        assert "1 Jul 2026, 22:30" in client.get("/account/tokens/").content.decode()
        Preferences.objects.update_or_create(user=rita, defaults={"time_zone": "Asia/Tokyo"})
        page = client.get("/account/tokens/").content.decode()
        assert "2 Jul 2026, 07:30" in page
        assert "2026, 22:30" not in page

    @pytest.mark.parametrize(("name", "value"), [("language", "xx"), ("time_zone", "Mars/Olympus")])
    def test_what_is_not_there_is_refused(self, client: Client, rita: User, name: str, value: str) -> None:
        client.force_login(rita)
        assert client.post("/account/", {name: value}).status_code == 422


class TestOutside:
    def test_visitors_choose_a_language_and_come_back(self, client: Client) -> None:
        page = client.get("/account/login/?next=/queue/")
        assert page["Content-Language"] == "en-gb"
        assert 'name="language" value="de"' in page.content.decode()
        answer = client.post("/language/", {"language": "de", "next": "/account/login/?next=/queue/"})
        assert answer["Location"] == "/account/login/?next=/queue/"
        assert client.get("/account/login/")["Content-Language"] == "de"
        elsewhere = client.post("/language/", {"language": "en-gb", "next": "https://evil.example/"})
        assert "evil" not in elsewhere["Location"]

    @pytest.mark.parametrize("path", ["/account/email/", "/account/confirm-email/", "/account/confirm-email/MQ:x/"])
    def test_what_is_not_offered_is_not_there(self, client: Client, rita: User, path: str) -> None:
        client.force_login(rita)
        assert client.get(path).status_code == 404
        assert client.post(path, {"email": "new@ripen.test", "action_add": ""}).status_code == 404

    def test_no_mail_goes_to_strangers_and_a_dead_mail_server_breaks_nothing(
        self, client: Client, rita: User, settings: Settings
    ) -> None:
        client.post("/account/password/reset/", {"email": "stranger@ripen.test"})
        assert mail.outbox == []
        settings.EMAIL_BACKEND = "tests.contacts.test_people.NobodyAnswers"
        answer = client.post("/account/password/reset/", {"email": rita.email}, follow=True)
        assert "Look in your inbox" in answer.content.decode()

    def test_too_many_wrong_passwords_are_stopped(self, client: Client, rita: User, settings: Settings) -> None:
        settings.ACCOUNT_RATE_LIMITS = {"login_failed": "3/5m/key"}
        wrong = {"login": rita.email, "password": "wrong"}
        for _ in range(3):
            assert "not correct" in client.post("/account/login/", wrong).content.decode()
        assert "Too many failed" in client.post("/account/login/", wrong).content.decode()


def test_a_mail_speaks_the_language_of_whoever_asks(client: Client, rita: User) -> None:
    client.post("/account/password/reset/", {"email": rita.email})
    (sent,) = mail.outbox
    with translation.override("en-gb"):
        assert sent.subject == "Choose a new password for Ripen"
    assert "/account/password/reset/key/" in sent.body
    assert "example.com" not in sent.body
