"""What a single message gives away: programs name themselves, people's browsers do not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contacts.ingest.machines import CONCERNED, LONGEST_REASON, suspicion

CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36"
PEOPLE = (
    CHROME,
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:132.0) Gecko/20100101 Firefox/132.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "Mozilla/5.0 (Linux; Android 13; CUBOT X50) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/130.0 Safari/537.36 Edg/130.0",
    "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.17328; Pro)",
    "okhttp/4.12.0",
)
MACHINES = (
    ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://crawler.example/bot.html)", "bot: crawler Googlebot"),
    ("Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0) Chrome/130", "bot: crawler bingbot"),
    ("Slackbot-LinkExpanding 1.0 (+https://robots.example)", "bot: crawler Slackbot"),
    ("facebookexternalhit/1.1", "bot: link preview Facebook"),
    ("BarracudaCentral/1.0", "bot: link scanner Barracuda"),
    ("Microsoft Office Existence Discovery", "bot: link scanner Microsoft Office"),
    ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 HeadlessChrome/130.0", "bot: headless browser HeadlessChrome"),
    ("python-requests/2.32", "bot: program python-requests"),
    ("curl/8.9.1", "bot: program curl"),
)


@pytest.mark.parametrize("agent", PEOPLE)
@pytest.mark.parametrize("kind", sorted(CONCERNED))
def test_people_are_people(agent: str, kind: str) -> None:
    assert suspicion(kind, {"user_agent": agent}) == ""


@pytest.mark.parametrize(("agent", "reason"), MACHINES)
@pytest.mark.parametrize("kind", sorted(CONCERNED))
def test_machines_say_what_they_are(agent: str, reason: str, kind: str) -> None:
    assert suspicion(kind, {"user_agent": agent}) == reason
    assert suspicion(kind, {}, {"userAgent": agent}) == reason


@pytest.mark.parametrize(
    ("agent", "reason"),
    [
        ("Mozilla/5.0", "bot: opened by Apple's mail privacy relay"),
        ("Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)", "Gmail"),
        ("YahooMailProxy; https://help.example", "Yahoo"),
    ],
)
def test_opens_through_a_mail_programs_proxy_are_marked_and_clicks_are_not(agent: str, reason: str) -> None:
    assert reason in suspicion("email_opened", {"user_agent": agent})
    assert suspicion("email_clicked", {"user_agent": agent}) == ""


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ({"sec_purpose": "prefetch;prerender"}, "bot: prefetched"),
        ({"X-Moz": "prefetch"}, "bot: prefetched"),
        ({"purpose": "Prefetch"}, "bot: prefetched"),
        ({"purpose": "product news"}, ""),
        ({"is_prefetched": True}, "bot: prefetched"),
        ({"webdriver": True}, "bot: headless browser"),
        ({"machine_opened": True}, "bot: opened by a mail program's proxy"),
        ({"is_bot": False}, ""),
        ({"is_bot": "true"}, ""),
    ],
)
def test_prefetching_and_what_senders_say_themselves(properties: dict[str, object], reason: str) -> None:
    assert suspicion("page_viewed", properties) == reason


def test_what_no_machine_does_is_not_looked_at() -> None:
    for kind in ("purchased", "email_replied", "meeting_held", "email_delivered", None):
        assert suspicion(kind, {"user_agent": "curl/8.9.1", "is_bot": True}) == ""


@given(
    st.sampled_from(sorted(CONCERNED)),
    st.dictionaries(
        st.sampled_from(["user_agent", "purpose", "is_bot", "$user_agent", "sec_purpose"]),
        st.one_of(st.text(), st.none(), st.booleans(), st.integers(), st.lists(st.text())),
    ),
)
def test_anything_is_answered_with_a_reason_that_can_be_kept(kind: str, properties: dict[str, object]) -> None:
    reason = suspicion(kind, properties)
    assert reason == "" or (reason.startswith("bot: ") and len(reason) <= LONGEST_REASON)
