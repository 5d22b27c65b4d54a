"""Django settings, all from the environment (config.env); docs/configuration.md lists every variable."""

import sys
from typing import Any

from csp.constants import NONE, SELF

from config.env import BASE_DIR, BadSetting, Environment
from config.local.layout import Layout
from config.logs import logging_settings
from config.network import OF_BROKER, of_client
from config.schedule import BEAT_SCHEDULE, TASK_ROUTES

ENV = Environment()
LAYOUT = Layout(ENV.state_dir)

try:
    STATE_DIR = ENV.state_dir
    DEBUG = ENV.debug
    BASE_URL = ENV.base_url
    SECRET_KEY = ENV.secret_key()
    HASH_KEY = ENV.hash_key(SECRET_KEY)
    ALLOWED_HOSTS = ENV.allowed_hosts
    CSRF_TRUSTED_ORIGINS = ENV.trusted_origins
    DATABASE: dict[str, Any] = ENV.database(str(LAYOUT.socket_dir))
    REPLICA: dict[str, Any] | None = ENV.replica()
    DATABASE_MAX_AGE = ENV.integer("RIPEN_DATABASE_MAX_AGE", 60, least=0, most=86_400)
    UPLOAD_MAX_BYTES = ENV.integer("RIPEN_UPLOAD_MAX_MB", 1_024, least=1, most=100_000) * 1024**2
    REDIS_URL = ENV.redis(str(LAYOUT.valkey_socket))
    WORKER_CONCURRENCY = ENV.integer("WORKER_CONCURRENCY", 2, least=1, most=256)
    LOG_LEVEL = ENV.log_level
    MAIL = ENV.mail()
    ANYMAIL = ENV.anymail()
    HONEYPOT_MARKER = ENV.text("RIPEN_HONEYPOT_MARKER", "ripen-honeypot")
    HSTS_SECONDS = ENV.integer("RIPEN_HSTS_SECONDS", 0, least=0, most=63_072_000)
    TRUST_PROXY = ENV.flag("RIPEN_TRUST_PROXY")
    SENTRY_DSN = ENV.sentry_dsn()
    INGEST_EVENTS_A_SECOND = ENV.integer("RIPEN_INGEST_EVENTS_A_SECOND", 50_000, least=0, most=100_000_000)
    INGEST_MAX_DUE = ENV.integer("RIPEN_INGEST_MAX_DUE", 2_000_000, least=0, most=100_000_000)
    INGEST_MAX_DUE_SECONDS = ENV.integer("RIPEN_INGEST_MAX_DUE_SECONDS", 60, least=1, most=86_400)
    INGEST_MAX_SECONDS = ENV.integer("RIPEN_INGEST_MAX_SECONDS", 10, least=1, most=600)
    HOOKS_ALLOW_PRIVATE = ENV.flag("RIPEN_HOOKS_ALLOW_PRIVATE")
    REQUIRE_SECOND_FACTOR = ENV.second_factor_of
    SESSION_HOURS = ENV.integer("RIPEN_SESSION_HOURS", 12, least=1, most=720)
    MERGES_A_DAY = ENV.integer("RIPEN_MERGES_A_DAY", 1_000, least=0, most=100_000_000)
except BadSetting as error:
    sys.exit(f"ripen: {error}")

# True where PostgreSQL is the embedded one: demo users exist only there.
EMBEDDED = ENV.embedded_database
METRICS_TOKEN = ENV.text("RIPEN_METRICS_TOKEN")
HTTPS = BASE_URL.startswith("https://")
# Browsers take a cookie of such a name from this very host only, over https; by plain http they would take none.
COOKIE_PREFIX = "__Host-" if HTTPS else ""

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"

INSTALLED_APPS = [
    "config.apps.WiringConfig",
    "config.web.apps.WebConfig",
    "funnel.apps.FunnelConfig",
    "scoring.apps.ScoringConfig",
    "contacts.apps.ContactsConfig",
    "whitenoise.runserver_nostatic",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_filters",
    "django_htmx",
    "template_partials",
    "lucide",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "django_structlog",
    "django_prometheus",
    "csp",
]

MIDDLEWARE = [
    "config.web.room.RoomMiddleware",
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.web.compression.PageCompressionMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "config.web.through.PrivateMiddleware",
    "config.web.through.ThroughMiddleware",
    "config.web.locale.LocaleMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "config.accounts.SessionsEnd",
    "config.accounts.SessionsInSight",
    "config.accounts.SecondFactorFirst",
    "csp.middleware.CSPMiddleware",
    "config.web.cross_origin.CrossOriginMiddleware",
    "config.web.idempotency.IdempotencyMiddleware",
    "config.web.moved.MovedMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.debug",
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
            # Every template speaks several languages.
            "builtins": ["django.templatetags.i18n"],
            "libraries": {
                "navigation": "config.web.templatetags.navigation",
                "ui": "config.web.templatetags.ui",
            },
        },
    },
]

# --- Data ---------------------------------------------------------------------------------------------------------

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        **of_client(DATABASE),
        "CONN_MAX_AGE": DATABASE_MAX_AGE,
        "CONN_HEALTH_CHECKS": True,
        # Which lives between two transactions: a pooler may hand over another session meanwhile.
        "DISABLE_SERVER_SIDE_CURSORS": DATABASE_MAX_AGE == 0,
    },
}
if REPLICA is not None:
    # Read by config.web.replica; never migrated, and no database of its own in tests.
    DATABASES["replica"] = {**DATABASES["default"], **of_client(REPLICA), "TEST": {"MIRROR": "default"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHES = {"default": {"BACKEND": "config.cache.ForgivingRedisCache", "LOCATION": REDIS_URL, "KEY_PREFIX": "ripen"}}

# --- People -------------------------------------------------------------------------------------------------------

AUTHENTICATION_BACKENDS = [
    "config.accounts.PasswordBackend",
    "config.accounts.AddressBackend",
]
PASSWORD_HASHERS = [
    "config.passwords.KeyedPasswordHasher",
    # What was hashed before there was a key; a sign-in makes a keyed one of it.
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"

ACCOUNT_ADAPTER = "config.accounts.ClosedAccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_SESSION_REMEMBER = None
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
# A mail to whoever's address somebody types in would make a mail cannon of the page.
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = False
ACCOUNT_RATE_LIMITS: dict[str, str] | bool = {"login": "60/m/ip", "login_failed": "10/m/ip,5/5m/key"}
# How many proxies stand before us: the list of sessions and the rate limits go by the address they tell.
ALLAUTH_TRUSTED_PROXY_COUNT = 1 if TRUST_PROXY else 0
MFA_ADAPTER = "config.accounts.SecondFactorAdapter"
MFA_FORMS = {"authenticate": "config.signing_in.CodeForm", "reauthenticate": "config.signing_in.CodeAgainForm"}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
# Browsers let passkeys be used on localhost without https, and nowhere else.
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not HTTPS
# Addresses are given by administrators, so there is nothing to verify first.
MFA_ALLOW_UNVERIFIED_EMAIL = True
MFA_TOTP_ISSUER = "Ripen"
# Telephones' clocks differ by some seconds.
MFA_TOTP_TOLERANCE = 1
# The list shows when each was last seen, which config.accounts.SessionsInSight notes.
USERSESSIONS_TRACK_ACTIVITY = True
LANGUAGE_COOKIE_NAME = f"{COOKIE_PREFIX}ripen_language"
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
LANGUAGE_COOKIE_SECURE = HTTPS
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"

# --- The web ------------------------------------------------------------------------------------------------------

SESSION_ENGINE = "config.sessions"
SESSION_COOKIE_NAME = f"{COOKIE_PREFIX}sessionid"
SESSION_COOKIE_AGE = SESSION_HOURS * 3600
SESSION_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_NAME = f"{COOKIE_PREFIX}csrftoken"
CSRF_COOKIE_SECURE = HTTPS
CSRF_COOKIE_HTTPONLY = False
CSRF_COOKIE_SAMESITE = "Lax"
SECURE_SSL_REDIRECT = HTTPS and TRUST_PROXY
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
SECURE_HSTS_SECONDS = HSTS_SECONDS
SECURE_HSTS_INCLUDE_SUBDOMAINS = False
# Subdomains, and the list that browsers ship, are for the owner of the whole domain to decide, not for this host.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUST_PROXY else None
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# 4 MB a batch of events (API.md), uploads of files go to disk beyond that.
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024 * 1024 + 64 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 5_000

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "font-src": [SELF],
        "img-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    },
}

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = STATE_DIR / "static" if EMBEDDED else BASE_DIR / "staticfiles"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "config.web.static_files.StaticFiles"
    },
}
WHITENOISE_USE_FINDERS = DEBUG
WHITENOISE_AUTOREFRESH = DEBUG
MEDIA_ROOT = STATE_DIR / "media"
UPLOAD_DIR = STATE_DIR / "uploads"
FILE_UPLOAD_HANDLERS = ["config.web.uploads.DiskUploadHandler"]

# --- Language and time --------------------------------------------------------------------------------------------

LANGUAGE_CODE = "en-gb"
# Each in its own words: whoever looks for theirs may not read another.
LANGUAGES = [("en-gb", "English"), ("de", "Deutsch")]
USE_I18N = True
TIME_ZONE = "UTC"
USE_TZ = True
USE_THOUSAND_SEPARATOR = True

# --- Mail ---------------------------------------------------------------------------------------------------------

globals().update(MAIL)
DEFAULT_FROM_EMAIL = ENV.text("DEFAULT_FROM_EMAIL", "Ripen <ripen@localhost>")
SERVER_EMAIL = DEFAULT_FROM_EMAIL

# --- The REST API -------------------------------------------------------------------------------------------------

REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "contacts.authentication.KeyAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["contacts.scopes.HasScope"],
    "EXCEPTION_HANDLER": "config.web.errors.exception_handler",
    "DEFAULT_PAGINATION_CLASS": "config.web.pagination.KeysetPagination",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["config.web.parsing.StrictJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "config.web.openapi.DescribedErrors",
    "DEFAULT_FILTER_BACKENDS": ["config.web.filtering.StrictFilterBackend"],
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Ripen",
    "DESCRIPTION": "Contact lifecycle management: facts, judgement, consequence.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "ActivityEnum": "funnel.conversation.Activity",
        "AnswerEnum": "contacts.enums.Answer",
        "ConsentActionEnum": "contacts.enums.ConsentAction",
        "ConsentBasisEnum": "contacts.enums.ConsentBasis",
        "ReturnReasonEnum": "funnel.enums.ReturnReason",
        "SuppressionReasonEnum": "contacts.enums.SuppressionReason",
        "DeliveryStateEnum": "funnel.enums.DeliveryState",
        "DefinitionStateEnum": "scoring.enums.DefinitionState",
        "HandoffStateEnum": "funnel.enums.HandoffState",
        "MailModeEnum": "funnel.enums.MailMode",
        "NoticeKindEnum": "funnel.enums.NoticeKind",
        "RunKindEnum": "scoring.enums.RunKind",
        "WorkStateEnum": "contacts.enums.WorkState",
    },
}

# --- Background work ----------------------------------------------------------------------------------------------

CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://", 1).replace("?db=", "?virtual_host=", 1)
CELERY_RESULT_BACKEND = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TIMEZONE = "UTC"
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
# A publish is only a wake-up hint: rather lose it to the sweep than let a request wait for the broker.
CELERY_TASK_PUBLISH_RETRY = False
CELERY_BROKER_TRANSPORT_OPTIONS = {
    # A task whose worker was killed comes back after this many seconds; one that takes longer may run twice.
    "visibility_timeout": 600,
    "unacked_restore_interval": 5,
    "unacked_restore_throttle": 1,
    "socket_connect_timeout": 2,
    # Without these a publish would try for as long as the broker is away.
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0.1,
    "interval_max": 0.1,
    "socket_keepalive": True,
    "socket_keepalive_options": OF_BROKER,
    # A broker that vanished without a word is noticed within twice that.
    "health_check_interval": 5,
}
CELERY_BEAT_SCHEDULE = BEAT_SCHEDULE
CELERY_TASK_ROUTES = TASK_ROUTES
# In memory: with intervals of seconds there is nothing to remember, and no file that a kill could spoil.
CELERY_BEAT_SCHEDULER = "config.beat:PatientScheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 2
CELERY_WORKER_CONCURRENCY = WORKER_CONCURRENCY

# --- What is observed ---------------------------------------------------------------------------------------------

LOGGING = logging_settings(level=LOG_LEVEL, readable=DEBUG)
LOGGING_CONFIG = "config.logs.configure"
DJANGO_STRUCTLOG_CELERY_ENABLED = True
DJANGO_STRUCTLOG_USER_ID_FIELD = "pk"
DJANGO_STRUCTLOG_IP_LOGGING_ENABLED = False

if SENTRY_DSN:
    import sentry_sdk

    from config.redaction import scrub_report

    sentry_sdk.init(
        dsn=SENTRY_DSN,
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        max_breadcrumbs=0,
        before_send=scrub_report,  # type: ignore[arg-type]  # its event is a TypedDict of the same shape
    )
