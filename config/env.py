"""The environment, typed: the one place that reads variables.

Every variable is declared in `VARIABLES` and described in docs/configuration.md (a test compares the two).
A bad value raises `BadSetting`, whose text is the one line a person needs: which variable, what is wrong, what to do.
This module imports no Django, so that `manage.py` can read it before the settings exist.
"""

import hashlib
import json
import os
import re
import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

BASE_DIR: Final = Path(__file__).resolve().parent.parent

VARIABLES: Final[Mapping[str, str]] = {
    "DATABASE_URL": "PostgreSQL to use; unset means the embedded one",
    "REDIS_URL": "Redis or Valkey to use; unset means the embedded one",
    "RIPEN_REPLICA_URL": "streaming replica that figures and what-ifs are read from",
    "RIPEN_STATE_DIR": "folder of everything the embedded mode keeps",
    "SECRET_KEY": "signs sessions and tokens",
    "RIPEN_HASH_KEY": "keys the hashes of passwords, erased names and suppressed addresses",
    "DEBUG": "development mode",
    "ALLOWED_HOSTS": "host names this installation answers to",
    "CSRF_TRUSTED_ORIGINS": "further origins whose forms are accepted",
    "RIPEN_BASE_URL": "where people reach this installation",
    "RIPEN_HSTS_SECONDS": "how long browsers insist on https",
    "RIPEN_TRUST_PROXY": "believe the proxy's X-Forwarded-Proto and X-Forwarded-For",
    "RIPEN_METRICS_TOKEN": "bearer token of /metrics",
    "RIPEN_UPLOAD_MAX_MB": "largest file that may be uploaded",
    "RIPEN_LOG_LEVEL": "least severe log line that is written",
    "RIPEN_DATABASE_MAX_AGE": "seconds a database connection is kept",
    "RIPEN_INGEST_EVENTS_A_SECOND": "messages that one key may send a second",
    "RIPEN_INGEST_MAX_DUE": "contacts that may wait for judgement before no more facts are taken",
    "RIPEN_INGEST_MAX_DUE_SECONDS": "how long the first of them must have waited for that",
    "RIPEN_INGEST_MAX_SECONDS": "how long storing a batch may take before senders are asked to wait",
    "RIPEN_REQUIRE_SECOND_FACTOR": "who sets up a second factor before anything else",
    "RIPEN_SESSION_HOURS": "after how long people sign in again",
    "RIPEN_MERGES_A_DAY": "contacts that the messages of one source may merge a day",
    "RIPEN_HOOKS_ALLOW_PRIVATE": "webhooks may go to one's own networks, and by plain http",
    "EMAIL_URL": "how mail leaves",
    "ANYMAIL": "keys of e-mail providers, as JSON",
    "RIPEN_HONEYPOT_MARKER": "what the address of a link holds that only machines follow",
    "DEFAULT_FROM_EMAIL": "sender of mail",
    "SENTRY_DSN": "where errors are reported",
    "WEB_CONCURRENCY": "web processes",
    "WEB_THREADS": "threads in each web process",
    "WORKER_CONCURRENCY": "processes of the background worker",
    "PROMETHEUS_MULTIPROC_DIR": "where web processes share their metrics",
}

# Providers through whose API django-anymail sends.
ANYMAIL_SENDERS: Final = frozenset(
    {
        "amazon_ses", "brevo", "mailersend", "mailgun", "mailjet", "mailtrap", "mandrill", "postal", "postmark",
        "resend", "scaleway", "sendgrid", "sparkpost", "unisender_go",
    }
)  # fmt: skip

_TRUE: Final = frozenset({"1", "true", "yes", "on"})
_FALSE: Final = frozenset({"0", "false", "no", "off", ""})
_LOG_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_MIN_SECRET_LENGTH: Final = 32


class BadSetting(Exception):
    """A variable of the environment cannot be used; the text names it, the problem and the remedy."""

    def __init__(self, name: str, problem: str, remedy: str) -> None:
        """Keep the three parts in one line; the value itself is never shown, it may be a secret."""
        super().__init__(f"{name} {problem}: {remedy}")
        self.name = name


class Environment:
    """Typed access to the variables of one process.

    Empty values count as unset, because compose files and unit files cannot leave a variable out.
    """

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        """Read from `values`, by default the process environment."""
        self._values = os.environ if values is None else values

    def text(self, name: str, default: str = "") -> str:
        """Value of a declared variable, stripped; `default` when unset or empty."""
        if name not in VARIABLES:
            raise KeyError(f"{name} is not declared in config.env.VARIABLES")
        return self._values.get(name, "").strip() or default

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Yes or no."""
        value = self.text(name).lower()
        if not value:
            return default
        if value in _TRUE:
            return True
        if value in _FALSE:
            return False
        raise BadSetting(name, "is neither yes nor no", "use 1 or 0")

    def integer(self, name: str, default: int, *, least: int, most: int) -> int:
        """Whole number between `least` and `most`."""
        value = self.text(name)
        if not value:
            return default
        if not re.fullmatch(r"[0-9]{1,9}", value) or not least <= int(value) <= most:
            raise BadSetting(name, "is not a number in range", f"use a whole number from {least} to {most}")
        return int(value)

    def names(self, name: str) -> list[str]:
        """Comma-separated list, blanks dropped."""
        return [part.strip() for part in self.text(name).split(",") if part.strip()]

    @property
    def state_dir(self) -> Path:
        """Absolute folder of the embedded mode; the default lies beside manage.py wherever the command is run."""
        value = self.text("RIPEN_STATE_DIR")
        if not value:
            return BASE_DIR / ".ripen"
        path = Path(value).expanduser().absolute()
        if path.exists() and not path.is_dir():
            raise BadSetting("RIPEN_STATE_DIR", "is not a folder", "name a folder, or a path that does not exist yet")
        return path

    @property
    def embedded_database(self) -> bool:
        """True where the embedded PostgreSQL is used."""
        return not self.text("DATABASE_URL")

    @property
    def embedded_broker(self) -> bool:
        """True where the embedded Valkey is used."""
        return not self.text("REDIS_URL")

    @property
    def debug(self) -> bool:
        """Development mode."""
        return self.flag("DEBUG")

    @property
    def second_factor_of(self) -> str:
        """Of whom a second factor is demanded: "", "admins" or "all"."""
        name = "RIPEN_REQUIRE_SECOND_FACTOR"
        value = self.text(name).lower()
        if value == "admins":
            return value
        try:
            return "all" if self.flag(name) else ""
        except BadSetting:
            raise BadSetting(name, "is none of 0, 1 and admins", "use one of them") from None

    @property
    def log_level(self) -> str:
        """Name of the least severe level that is logged."""
        value = self.text("RIPEN_LOG_LEVEL", "INFO").upper()
        if value not in _LOG_LEVELS:
            raise BadSetting("RIPEN_LOG_LEVEL", "is not a log level", f"use one of {', '.join(_LOG_LEVELS)}")
        return value

    @property
    def base_url(self) -> str:
        """Where people reach this installation, without a trailing slash."""
        value = self.text("RIPEN_BASE_URL", "http://127.0.0.1:8000").rstrip("/")
        parts = _split("RIPEN_BASE_URL", value, "https://ripen.example.com")
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment or parts.path:
            raise BadSetting("RIPEN_BASE_URL", "is not an address", "write it like https://ripen.example.com")
        return value

    @property
    def allowed_hosts(self) -> list[str]:
        """Host names to answer to: those listed, the base URL's own, and this machine for its health checks."""
        hosts = self.names("ALLOWED_HOSTS")
        for host in hosts:
            if "/" in host or " " in host:
                raise BadSetting("ALLOWED_HOSTS", "holds an address", "list bare host names, separated by commas")
        own = urlsplit(self.base_url).hostname or ""
        return list(dict.fromkeys([*hosts, own, "localhost", "127.0.0.1", "[::1]"]))

    @property
    def trusted_origins(self) -> list[str]:
        """Origins whose forms are accepted: those listed and the base URL's own."""
        origins = self.names("CSRF_TRUSTED_ORIGINS")
        for origin in origins:
            if not re.fullmatch(r"https?://[^/\s]+", origin):
                raise BadSetting(
                    "CSRF_TRUSTED_ORIGINS", "holds something else than origins", "write them like https://example.com"
                )
        return list(dict.fromkeys([*origins, self.base_url]))

    def secret_key(self) -> str:
        """The signing key: SECRET_KEY, or one made once for the state folder where the database is embedded."""
        value = self.text("SECRET_KEY")
        if value:
            if len(value) < _MIN_SECRET_LENGTH:
                raise BadSetting("SECRET_KEY", "is too short", f"use at least {_MIN_SECRET_LENGTH} random characters")
            return value
        if not self.embedded_database:
            raise BadSetting("SECRET_KEY", "is not set", "set it to 50 random characters and keep it secret")
        return _kept_secret(self.state_dir / "secret_key")

    def hash_key(self, secret_key: str) -> bytes:
        """The key under which passwords, names of erased people and suppressed addresses are hashed.

        RIPEN_HASH_KEY, or one derived from the signing key. It must never change: what was hashed under another key is
        not recognised any more.
        """
        value = self.text("RIPEN_HASH_KEY")
        if value and len(value) < _MIN_SECRET_LENGTH:
            raise BadSetting("RIPEN_HASH_KEY", "is too short", f"use at least {_MIN_SECRET_LENGTH} random characters")
        return hashlib.sha256(f"ripen names\0{value or secret_key}".encode()).digest()

    def database(self, socket_dir: str) -> dict[str, Any]:
        """Django's connection settings; `socket_dir` is where the embedded PostgreSQL listens."""
        if self.embedded_database:
            return {"NAME": "ripen", "USER": "ripen", "PASSWORD": "", "HOST": socket_dir, "PORT": "", "OPTIONS": {}}
        return self._postgres("DATABASE_URL")

    def replica(self) -> dict[str, Any] | None:
        """Django's connection settings of the streaming replica; None where there is none."""
        if not self.text("RIPEN_REPLICA_URL"):
            return None
        found = self._postgres("RIPEN_REPLICA_URL")
        # One that is away must not keep a page waiting, which can read the primary as well.
        return {**found, "OPTIONS": {"connect_timeout": "2", **found["OPTIONS"]}}

    def _postgres(self, variable: str) -> dict[str, Any]:
        example = "postgresql://user:password@host:5432/name"
        parts = _split(variable, self.text(variable), example)
        if parts.scheme not in {"postgres", "postgresql"}:
            raise BadSetting(variable, "is not PostgreSQL", f"write it like {example}")
        name = unquote(parts.path.lstrip("/"))
        if not name or "/" in name:
            raise BadSetting(variable, "names no database", f"write it like {example}")
        options = dict(parse_qsl(parts.query))
        host = options.pop("host", "") or unquote(parts.hostname or "")
        return {
            "NAME": name,
            "USER": unquote(parts.username or ""),
            "PASSWORD": unquote(parts.password or ""),
            "HOST": host,
            "PORT": str(_port(variable, parts, example) or ""),
            "OPTIONS": options,
        }

    def redis(self, socket: str) -> str:
        """URL of the broker and cache as redis-py reads it; `socket` is where the embedded Valkey listens."""
        value = self.text("REDIS_URL")
        if not value:
            return f"unix://{socket}?db=0"
        example = "redis://:password@host:6379/0"
        parts = _split("REDIS_URL", value, example)
        has_place = parts.path if parts.scheme == "unix" else parts.hostname
        if parts.scheme not in {"redis", "rediss", "unix"} or not has_place:
            raise BadSetting("REDIS_URL", "is not a Redis address", f"write it like {example}")
        _port("REDIS_URL", parts, example)
        return value

    def mail(self) -> dict[str, Any]:
        """Django's mail settings from EMAIL_URL.

        `smtp://`, `smtp+tls://` (STARTTLS) and `smtps://` send, `anymail+mailgun:` and its like through the API of a
        provider whose keys are in ANYMAIL; `file:///folder` and `console:` keep mail here.
        Unset: files under the state folder in embedded mode, else SMTP on this machine.
        """
        example = "smtp+tls://user:password@host:587"
        default = f"file://{self.state_dir / 'mail'}" if self.embedded_database else "smtp://localhost:25"
        parts = _split("EMAIL_URL", self.text("EMAIL_URL", default), example)
        backend = "django.core.mail.backends."
        if parts.scheme.startswith("anymail+"):
            return {"EMAIL_BACKEND": _anymail_backend(parts.scheme.removeprefix("anymail+"))}
        if parts.scheme == "console":
            return {"EMAIL_BACKEND": f"{backend}console.EmailBackend"}
        if parts.scheme == "file" and parts.path:
            return {"EMAIL_BACKEND": f"{backend}filebased.EmailBackend", "EMAIL_FILE_PATH": unquote(parts.path)}
        if parts.scheme not in {"smtp", "smtp+tls", "smtps"} or not parts.hostname:
            raise BadSetting("EMAIL_URL", "is not a mail address of a kind known here", f"write it like {example}")
        standard = {"smtp": 25, "smtp+tls": 587, "smtps": 465}[parts.scheme]
        return {
            "EMAIL_BACKEND": f"{backend}smtp.EmailBackend",
            "EMAIL_HOST": parts.hostname,
            "EMAIL_PORT": _port("EMAIL_URL", parts, example) or standard,
            "EMAIL_HOST_USER": unquote(parts.username or ""),
            "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
            "EMAIL_USE_TLS": parts.scheme == "smtp+tls",
            "EMAIL_USE_SSL": parts.scheme == "smtps",
            "EMAIL_TIMEOUT": 20,
        }

    def anymail(self) -> dict[str, Any]:
        """Keys of e-mail providers as django-anymail names them, `{"MAILGUN_WEBHOOK_SIGNING_KEY": "..."}`."""
        value = self.text("ANYMAIL")
        if not value:
            return {}
        remedy = 'write it like {"POSTMARK_SERVER_TOKEN": "..."}'
        try:
            given = json.loads(value)
        except ValueError:
            raise BadSetting("ANYMAIL", "is not JSON", remedy) from None
        if not isinstance(given, dict):
            raise BadSetting("ANYMAIL", "is not a JSON object", remedy)
        wrong = [name for name in given if not re.fullmatch(r"[A-Z][A-Z0-9_]*", name)]
        if wrong:
            raise BadSetting("ANYMAIL", "holds a name that is none of a setting", remedy)
        return given

    def sentry_dsn(self) -> str:
        """Where errors are reported; empty means nowhere."""
        value = self.text("SENTRY_DSN")
        if value:
            parts = _split("SENTRY_DSN", value, "https://key@host/1")
            if parts.scheme not in {"http", "https"} or not parts.username or not parts.path.strip("/"):
                raise BadSetting("SENTRY_DSN", "is not a DSN", "copy it from the project's settings, or leave it unset")
        return value


def _anymail_backend(provider: str) -> str:
    """Return the mail backend of a provider; `amazon-ses` and `unisender-go` stand for names a URL cannot hold."""
    if provider.replace("-", "_") not in ANYMAIL_SENDERS:
        names = ", ".join(sorted(ANYMAIL_SENDERS)).replace("_", "-")
        raise BadSetting("EMAIL_URL", "names no provider that is known here", f"use anymail+ and one of {names}")
    return f"anymail.backends.{provider.replace('-', '_')}.EmailBackend"


def _split(name: str, value: str, example: str) -> SplitResult:
    try:
        return urlsplit(value)
    except ValueError:
        raise BadSetting(name, "cannot be read", f"write it like {example}") from None


def _port(name: str, parts: SplitResult, example: str) -> int | None:
    try:
        return parts.port
    except ValueError:
        raise BadSetting(name, "has no valid port", f"write it like {example}") from None


def _kept_secret(path: Path) -> str:
    """Read the secret at `path`, making it first if need be; parallel first starts agree on one."""
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        pass
    except OSError as error:
        raise BadSetting("RIPEN_STATE_DIR", f"cannot be read ({error.strerror})", "use a folder of your own") from None
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=".secret-") as file:
            file.write(secrets.token_urlsafe(48))
            file.flush()
            try:
                # A link appears complete or not at all, and never replaces the key another process just made.
                os.link(file.name, path)
            except FileExistsError:
                pass
    except OSError as error:
        raise BadSetting(
            "RIPEN_STATE_DIR", f"cannot be written ({error.strerror})", "use a folder of your own"
        ) from None
    return path.read_text().strip()
