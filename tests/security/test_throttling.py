"""Failed sign-ins are counted so that parallel attempts do not slip through, also while the cache is away."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache.backends.redis import RedisCacheClient
from django.db import connection
from django.test import Client
from pytest_django.fixtures import Settings
from redis.exceptions import ConnectionError as CacheAway

from contacts.enums import Role
from contacts.models import AuditEntry, FailedSignIn
from contacts.services import throttling
from contacts.services.throttling import Limit, begin_attempt, forgive, take_back
from tests.factories import make_user

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LIMIT = Limit("account", "ann@ripen.test", most=5, window=timedelta(minutes=5))
AT_ONCE = 16
PASSWORD = "quite-a-long-passphrase"


def at_once(work: Callable[[], Any], times: int = AT_ONCE) -> list[Any]:
    """Do something in so many threads at the same moment, each with a connection of its own."""
    ready = threading.Barrier(times)

    def run(_: int) -> Any:
        try:
            connection.ensure_connection()
            ready.wait(30)
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(run, range(times)))


@pytest.mark.django_db(transaction=True, serialized_rollback=True)
class TestAtOnce:
    def test_never_more_than_the_limit_are_looked_at(self) -> None:
        attempts = at_once(lambda: begin_attempt(limits=[LIMIT], now=NOW))

        assert sum(not attempt.refused for attempt in attempts) == LIMIT.most
        assert sum(attempt.first for attempt in attempts) == 1, "one line in the audit log, not one for each knock"

    def test_without_the_lock_more_slip_through(self, monkeypatch: pytest.MonkeyPatch) -> None:
        seen = threading.Barrier(AT_ONCE)

        def look(limits: Any, now: datetime) -> bool:
            count = FailedSignIn.objects.filter(key_hash=LIMIT.key_hash).count()
            seen.wait(30)
            FailedSignIn.objects.create(key_hash=LIMIT.key_hash, at=now)
            return count < LIMIT.most

        assert sum(at_once(lambda: look([LIMIT], NOW))) == AT_ONCE, "read, then write: the control"

    @pytest.mark.parametrize("is_cache_away", [False, True])
    def test_passwords_sent_at_once_are_looked_at_so_often_and_no_more(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch, is_cache_away: bool
    ) -> None:
        settings.ACCOUNT_RATE_LIMITS = {"login": "999/m/ip", "login_failed": "5/5m/key"}
        user = make_user(None, email="rita@ripen.test", username="rita@ripen.test")
        user.set_password(PASSWORD)
        user.save()
        if is_cache_away:
            monkeypatch.setattr(RedisCacheClient, "get_client", _gone)

        def knock() -> str:
            answer = Client().post("/account/login/", {"login": "rita@ripen.test", "password": "wrong"})
            return "looked" if "not correct" in answer.content.decode() else "refused"

        answers = at_once(knock)

        assert answers.count("looked") == 5
        right = Client().post("/account/login/", {"login": "rita@ripen.test", "password": PASSWORD})
        assert right.status_code == 200, "and the right password opens nothing meanwhile either"
        assert AuditEntry.objects.filter(act="sign_in_failed", thing_id=str(user.pk)).count() == 5
        assert AuditEntry.objects.filter(act="locked_out").count() == 1


def _gone(*_: Any, **__: Any) -> Any:
    raise CacheAway("away")


@pytest.fixture
def ann(db: None) -> User:
    user = make_user(Role.REP, email="ann@ripen.test", username="ann@ripen.test")
    user.set_password(PASSWORD)
    user.save()
    return user


@pytest.mark.django_db
class TestCounting:
    def test_the_window_slides(self) -> None:
        for second in range(5):
            assert not begin_attempt(limits=[LIMIT], now=NOW + timedelta(seconds=second)).refused
        assert begin_attempt(limits=[LIMIT], now=NOW + timedelta(seconds=10)).refused
        assert not begin_attempt(limits=[LIMIT], now=NOW + timedelta(minutes=5)).refused
        assert begin_attempt(limits=[LIMIT], now=NOW + timedelta(minutes=5)).refused

    def test_success_takes_back_only_itself(self) -> None:
        for _ in range(4):
            begin_attempt(limits=[LIMIT], now=NOW)
        take_back(begin_attempt(limits=[LIMIT], now=NOW))
        assert not begin_attempt(limits=[LIMIT], now=NOW).refused
        assert begin_attempt(limits=[LIMIT], now=NOW).refused, "a right password in between buys no further guesses"
        forgive(LIMIT)
        assert not begin_attempt(limits=[LIMIT], now=NOW).refused

    def test_an_address_is_counted_over_all_accounts(self) -> None:
        address = Limit("address", "203.0.113.7", most=3, window=timedelta(minutes=1))
        for number in range(3):
            account = Limit("account", f"{number}@ripen.test", most=5, window=timedelta(minutes=5))
            assert not begin_attempt(limits=[account, address], now=NOW).refused
        assert begin_attempt(limits=[LIMIT, address], now=NOW).refused

    def test_what_is_kept_names_nobody_and_goes_after_a_day(self) -> None:
        begin_attempt(limits=[LIMIT], now=NOW)
        row = FailedSignIn.objects.get()
        assert LIMIT.value not in row.key_hash
        begin_attempt(limits=[Limit("account", "b", 5, timedelta(minutes=1))], now=NOW + timedelta(days=2))
        assert not FailedSignIn.objects.filter(pk=row.pk).exists()

    def test_a_window_longer_than_what_is_kept_is_refused(self) -> None:
        with pytest.raises(ValueError, match="a day"):
            begin_attempt(limits=[Limit("account", "a", 5, throttling.LONGEST_WINDOW * 2)], now=NOW)

    def test_codes_of_a_second_factor_are_counted_too(self, ann: User, settings: Settings) -> None:
        from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret

        TOTP.activate(ann, generate_totp_secret())
        settings.ACCOUNT_RATE_LIMITS = {"login_failed": "3/5m/key"}
        settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
        client = Client()
        client.post("/account/login/", {"login": ann.email, "password": PASSWORD})
        said = [client.post("/account/security/authenticate/", {"code": "000000"}).content.decode() for _ in range(5)]
        assert ["Incorrect code" in page for page in said] == [True] * 3 + [False] * 2
        assert AuditEntry.objects.filter(act="sign_in_failed", details__factor="totp").count() == 3

    def test_a_password_set_by_mail_lets_one_begin_anew(self, ann: User, settings: Settings) -> None:
        settings.ACCOUNT_RATE_LIMITS = {"login_failed": "3/5m/key"}
        for _ in range(4):
            answer = Client().post("/account/login/", {"login": ann.email, "password": "wrong"})
        assert "Too many failed" in answer.content.decode()
        from django.core import mail

        Client().post("/account/password/reset/", {"email": ann.email})
        link = next(word for word in str(mail.outbox[-1].body).split() if "/password/reset/key/" in word)
        client = Client()
        form = client.get("/" + link.split("/", 3)[3], follow=True)
        client.post(form.request["PATH_INFO"], {"password1": "another-long-phrase", "password2": "another-long-phrase"})
        answer = Client().post("/account/login/", {"login": ann.email, "password": "another-long-phrase"})
        assert answer.status_code == 302
        assert AuditEntry.objects.filter(act="password_reset", actor=ann).count() == 1

    def test_an_unknown_account_is_counted_and_answered_alike(self, ann: User, settings: Settings) -> None:
        settings.ACCOUNT_RATE_LIMITS = {"login_failed": "2/5m/key"}
        pages = {
            address: [
                "".join(
                    Client().post("/account/login/", {"login": address, "password": "x"}).content.decode()
                    .partition("<main")[2].partition("csrfmiddlewaretoken")[0].replace(address, "").split()
                )
                for _ in range(3)
            ]
            for address in (ann.email, "nobody@ripen.test")
        }  # fmt: skip
        assert pages[ann.email] == pages["nobody@ripen.test"]
