"""What a message gives away by itself: that a machine did it, not the person whom it names. Pure.

Only acts that machines are known to do are looked at (`CONCERNED`). A reader puts the answer into
``IncomingEvent.suspect_reason``; the event is kept and weighs nothing until somebody says that it was a person. What
only several events together show is in contacts/ingest/bursts.py.

The lists below are our own, put together from what the operators publish about how their programs name themselves; each
says where. They name programs, never people's browsers: a browser that is not listed is a person's.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

# Kinds of events that machines cause by following links, loading pictures and filling in forms.
CONCERNED: Final = frozenset(
    {"email_clicked", "email_opened", "page_viewed", "form_submitted", "asset_downloaded", "newsletter_subscribed"}
)
LONGEST_REASON: Final = 100

# Security products that follow the links of a mail or page before a person may. Sources: the vendors' administration
# guides on link protection ("URL Defense", "Safe Links", "Link Protection") and the user agents they list for allowing.
_SCANNERS: Final = {
    "barracuda": "Barracuda",
    "mimecast": "Mimecast",
    "proofpoint": "Proofpoint",
    "urldefense": "Proofpoint",
    "symantec": "Symantec",
    "trendmicro": "Trend Micro",
    "trend micro": "Trend Micro",
    "fireeye": "Trellix",
    "trellix": "Trellix",
    "ironport": "Cisco",
    "cisco-talos": "Cisco",
    "sophos": "Sophos",
    "forcepoint": "Forcepoint",
    "fortiguard": "Fortinet",
    "fortisandbox": "Fortinet",
    "cloudmark": "Cloudmark",
    "vadesecure": "Vade",
    "cyren": "Cyren",
    "avanan": "Avanan",
    "kaspersky": "Kaspersky",
    "safelinks": "Microsoft",
    "existence discovery": "Microsoft Office",
    "google-safety": "Google",
    "virustotal": "VirusTotal",
    "urlscan": "urlscan",
}
# Programs that fetch a link to show a preview of it. Sources: developer documentation of the messengers and networks on
# link previews ("unfurling").
_PREVIEWS: Final = {
    "facebookexternalhit": "Facebook",
    "facebot": "Facebook",
    "whatsapp/": "WhatsApp",
    "skypeuripreview": "Skype",
    "bingpreview": "Bing",
    "google-pagerenderer": "Google",
    "embedly": "Embedly",
    "iframely": "Iframely",
    "vkshare": "VK",
    "bitlybot": "Bitly",
    "ms-office; msoffice": "Microsoft Office",
    "microsoft office excel": "Microsoft Office",
    "microsoft office word": "Microsoft Office",
}
# Proxies through which mail programs load pictures, whether or not somebody looks. Sources: Apple on Mail Privacy
# Protection, Google on image caching for senders, Yahoo's sender documentation.
_MAIL_PROXIES: Final = {
    "googleimageproxy": "Gmail's image proxy",
    "ggpht.com": "Gmail's image proxy",
    "yahoomailproxy": "Yahoo's image proxy",
    "ymail proxy": "Yahoo's image proxy",
}
# All that Apple's relays send as their name.
_APPLE_RELAY: Final = "mozilla/5.0"
# Browsers that no person sits at. Sources: the documentation of Chromium, PhantomJS, Selenium, Puppeteer, Playwright.
_HEADLESS: Final = {
    "headlesschrome": "HeadlessChrome",
    "headlessedg": "HeadlessEdge",
    "phantomjs": "PhantomJS",
    "slimerjs": "SlimerJS",
    "puppeteer": "Puppeteer",
    "playwright": "Playwright",
    "selenium": "Selenium",
    "jsdom/": "jsdom",
    "chrome-lighthouse": "Lighthouse",
    "gtmetrix": "GTmetrix",
}
# Programs and their libraries. Sources: the libraries' documented default user agents.
_PROGRAMS: Final = {
    "curl/": "curl",
    "wget/": "Wget",
    "python-requests": "python-requests",
    "python-urllib": "python-urllib",
    "python-httpx": "python-httpx",
    "aiohttp/": "aiohttp",
    "go-http-client": "Go",
    "libwww-perl": "libwww-perl",
    "apache-httpclient": "Apache HttpClient",
    "axios/": "axios",
    "node-fetch": "node-fetch",
    "undici": "undici",
    "guzzlehttp": "Guzzle",
    "httpie/": "HTTPie",
    "postmanruntime": "Postman",
    "scrapy": "Scrapy",
    "libcurl": "libcurl",
    "winhttp": "WinHTTP",
    "powershell": "PowerShell",
    "pingdom": "Pingdom",
    "statuscake": "StatusCake",
    "newrelicpinger": "New Relic",
}
_SORTS: Final = (
    ("link scanner", _SCANNERS),
    ("link preview", _PREVIEWS),
    ("headless browser", _HEADLESS),
    ("program", _PROGRAMS),
)
# How crawlers name themselves by custom (RFC 9309 calls it the product token). A telephone is called Cubot.
_CRAWLER: Final = re.compile(
    r"(?<![a-z0-9])(?!cubot\b)[a-z0-9_.-]*(?:bot|crawler|spider|slurp|scraper)(?![a-z])|mediapartners-google|googleother"
    r"|google-(?:read-aloud|inspectiontool|extended)|apis-google|feedfetcher",
    re.IGNORECASE,
)
_AGENT_KEYS: Final = ("user_agent", "userAgent", "useragent", "$raw_user_agent", "$user_agent", "User-Agent")
_PREFETCH_KEYS: Final = (
    "sec_purpose", "Sec-Purpose", "sec-purpose", "purpose", "Purpose", "x_purpose", "X-Purpose", "x-purpose", "x_moz",
    "X-Moz", "x-moz",
)  # fmt: skip
# W3C Fetch (Sec-Purpose), and what Chromium, WebKit and Gecko sent before it.
_PREFETCH_VALUES: Final = re.compile(r"\s*(?:prefetch|prerender|preview)\b", re.IGNORECASE)
# Properties by which senders say it themselves.
_FLAGS: Final = {
    "machine_opened": "bot: opened by a mail program's proxy",
    "sg_machine_open": "bot: opened by a mail program's proxy",
    "is_prefetched": "bot: prefetched",
    "is_bot": "bot: the sender says so",
    "webdriver": "bot: headless browser",
}

_TELLING_KEYS: Final = frozenset({*_FLAGS, *_PREFETCH_KEYS, *_AGENT_KEYS})


def suspicion(kind: str | None, properties: Mapping[str, Any], context: Mapping[str, Any] | None = None) -> str:
    """Return why a machine seems to have done it (``bot: link scanner Barracuda``); ``""`` where nothing says so.

    Args:
        kind: of the event; kinds that machines do not cause are not looked at.
        properties: of the event.
        context: Segment's, where the message has one (``userAgent``).
    """
    if kind not in CONCERNED or (context is None and _TELLING_KEYS.isdisjoint(properties)):
        return ""
    for key, reason in _FLAGS.items():
        if properties.get(key) is True:
            return reason
    for key in _PREFETCH_KEYS:
        value = properties.get(key)
        if isinstance(value, str) and _PREFETCH_VALUES.match(value):
            return "bot: prefetched"
    agent = _first_text(properties, _AGENT_KEYS) or (_first_text(context, _AGENT_KEYS) if context else "")
    return _of_agent(agent[:500], kind == "email_opened") if agent else ""


def _first_text(holder: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    for key in keys:
        value = holder.get(key)
        if isinstance(value, str) and value:
            return value
    return ""


@lru_cache(maxsize=4096)
def _of_agent(agent: str, is_open: bool) -> str:
    """Return what is suspected of a user agent. Few of them make up most of the traffic, so answers are remembered."""
    text = agent.lower()
    if is_open:
        if text.strip() == _APPLE_RELAY:
            return "bot: opened by Apple's mail privacy relay"
        for needle, name in _MAIL_PROXIES.items():
            if needle in text:
                return f"bot: opened by {name}"
    for sort, names in _SORTS:
        for needle, name in names.items():
            if needle in text:
                return f"bot: {sort} {name}"
    found = _CRAWLER.search(agent)
    return f"bot: crawler {found[0]}"[:LONGEST_REASON] if found else ""
