"""All settings, read from the environment. `ENVIRONMENT=production` is strict; the default is development."""

import socket
import sys
from datetime import timedelta
from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured

from brokerage.api import openapi_settings
from brokerage.observability import prometheus
from brokerage.observability.logging import configure_logging

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()

ENVIRONMENT = env("ENVIRONMENT", default="development")
PRODUCTION = ENVIRONMENT == "production"
DEBUG = False
SECRET_KEY = env("SECRET_KEY") if PRODUCTION else env("SECRET_KEY", default="development-only-" + "0" * 50)
ALLOWED_HOSTS = env.list(
    "ALLOWED_HOSTS", default=[] if PRODUCTION else ["127.0.0.1", "localhost", "[::1]", "testserver"]
)
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
VAR_DIR = Path(env("VAR_DIR", default=str(BASE_DIR / "var")))

INSTALLED_APPS = [
    "brokerage",
    "wallets",
    "holdings",
    "exchange",
    "trades",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_prometheus",
    "rest_framework",
    "knox",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]
MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "brokerage.middleware.RequestContextMiddleware",
    "brokerage.middleware.LengthRequiredMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "brokerage.middleware.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
ASGI_APPLICATION = "config.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
            "libraries": {"index_cards": "trades.admin.index_cards"},
        },
    }
]

# --- PostgreSQL: the truth -------------------------------------------------------------------------------------------
DATABASE_URL = env("DATABASE_URL", default="postgres://brokerage@127.0.0.1:5432/brokerage")
DATABASES = {"default": env.db_url_config(DATABASE_URL)}
DATABASES["default"] |= {
    "ENGINE": "django.db.backends.postgresql",
    "CONN_MAX_AGE": None,
    "CONN_HEALTH_CHECKS": True,
    "OPTIONS": DATABASES["default"].get("OPTIONS", {})
    | {
        "connect_timeout": 3,
        "target_session_attrs": "read-write",
        "tcp_user_timeout": 10_000,
        "keepalives": 1,
        "keepalives_idle": 10,
        "keepalives_interval": 3,
        "keepalives_count": 3,
        "application_name": env("PROCESS_NAME", default=Path(sys.argv[0]).name or "python"),
    },
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Messaging: hints ------------------------------------------------------------------------------------------------
CELERY_BROKER_URL = env("CELERY_BROKER_URL", default="amqp://guest:guest@127.0.0.1:5672//")
EXCHANGE_URL = env("EXCHANGE_URL", default=CELERY_BROKER_URL)
AMQP_SOCKET_SETTINGS = {socket.TCP_USER_TIMEOUT: 10_000}

# --- The pipeline's timers and sizes (tests shorten the timers) ------------------------------------------------------
PIPELINE = {
    "BATCH": env.int("PIPELINE_BATCH", default=200),  # requests in one Celery chain, at most
    "BATCH_LINGER_S": env.float("PIPELINE_BATCH_LINGER_S", default=0.1),  # rest after a batch that was not full
    "IDLE_POLL_S": env.float("PIPELINE_IDLE_POLL_S", default=0.02),  # between two looks when nothing is due
    "LEASE_S": env.float("PIPELINE_LEASE_S", default=20.0),  # until a leased request is due again; doubles
    "LEASE_MAX_S": env.float("PIPELINE_LEASE_MAX_S", default=30.0),
    "REQUEUE_DELAY_S": env.float("PIPELINE_REQUEUE_DELAY_S", default=1.0),  # until a request given back is due again
    "WORKERS": env.int("PIPELINE_WORKERS", default=2),  # Celery child processes in all
    "BATCHES_PER_WORKER": env.int("PIPELINE_BATCHES_PER_WORKER", default=4),  # in flight at most
    "MAX_ATTEMPTS": env.int("PIPELINE_MAX_ATTEMPTS", default=3),  # a request that failed alone so often is parked
    "UNCONFIRMED_AFTER_S": env.float(
        "UNCONFIRMED_AFTER_S", default=15.0
    ),  # until the exchange is asked about a request
    "STATUS_CHECK_MAX_INTERVAL_S": env.float("STATUS_CHECK_MAX_INTERVAL_S", default=300.0),  # 15, 30, 60 … at most this
    "STATUS_CHECK_LIMIT": env.int("STATUS_CHECK_LIMIT", default=5),  # unanswered checks until a request is parked
    "STATUS_CHECK_SWEEP_S": env.float("STATUS_CHECK_SWEEP_S", default=600.0),  # between two checks of an open trade
    "STATUS_CHECKS_PER_S": env.int("STATUS_CHECKS_PER_S", default=200),  # of each dispatcher
    "CANCEL_WAIT_S": env.float("CANCEL_WAIT_S", default=60.0),  # a cancel waits so long for word of a parked order
}
RESEND_POLICY = env("RESEND_POLICY", default="same_id")  # or query_first, if the exchange does not know ClOrdIDs again
if RESEND_POLICY not in ("same_id", "query_first"):
    raise ImproperlyConfigured(
        f"RESEND_POLICY={RESEND_POLICY} is unknown: it is `same_id` (the default) or `query_first`"
    )
AMEND_FILLED = env.bool("AMEND_FILLED", default=True)  # may a client raise the quantity of a FILLED trade?
METRICS_ADDRESS = env("METRICS_ADDRESS", default="127.0.0.1")
METRICS_PORT = env.int("METRICS_PORT", default=0)  # of roles without a web server; 0: they serve no metrics
PROMETHEUS_MULTIPROC_DIR = env("PROMETHEUS_MULTIPROC_DIR", default="")  # of this role alone; on a tmpfs in production

# --- The scheduled audit ---------------------------------------------------------------------------------------------
AUDIT_INTERVAL_S = env.float("AUDIT_INTERVAL_S", default=300.0)  # between two audits of what changed
AUDIT_FULL_INTERVAL_S = env.float("AUDIT_FULL_INTERVAL_S", default=86_400.0)  # between two of everything
# No transaction that changes the books lasts longer than this. Each of its fifteen or so statements is ended after ten
# seconds by the database (statement_timeout), and a Celery task after thirty.
AUDIT_OVERLAP_S = env.float("AUDIT_OVERLAP_S", default=300.0)
AUDIT_TIME_LIMIT_S = env.float("AUDIT_TIME_LIMIT_S", default=14_400.0)  # an audit that takes longer is ended

# --- People and tokens -----------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "brokerage.User"
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_URL = "admin:login"
REST_KNOX = {
    "TOKEN_TTL": timedelta(days=env.int("TOKEN_DAYS", default=30)),
    "AUTO_REFRESH": False,  # a write with every request
    "AUTH_HEADER_PREFIX": "Token",
}
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["brokerage.api.authentication.TokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["brokerage.api.parsers.StrictJSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "brokerage.api.parsers.JSONOnlyNegotiation",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "brokerage.api.openapi.ProblemSchema",
    "EXCEPTION_HANDLER": "brokerage.api.problems.exception_handler",
    "UNAUTHENTICATED_USER": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = openapi_settings.SETTINGS
DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024

# --- Safety in the browser -------------------------------------------------------------------------------------------
SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PRODUCTION
SECURE_HSTS_SECONDS = 31_536_000 if PRODUCTION else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = PRODUCTION
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if PRODUCTION else None
INSIDE = ("/livez", "/readyz", "/metrics")  # asked from inside: without TLS, and by whatever name
SECURE_REDIRECT_EXEMPT = [rf"^{path.removeprefix('/')}$" for path in INSIDE]

# --- The rest --------------------------------------------------------------------------------------------------------
LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
FORMAT_MODULE_PATH = "config.formats"
STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static" if PRODUCTION else None
WHITENOISE_USE_FINDERS = True  # serves the admin's files from the packages; nothing to collect in development
PROMETHEUS_EXPORT_MIGRATIONS = False
LOGGING_CONFIG = None
configure_logging(json=PRODUCTION, level=env("LOG_LEVEL", default="INFO"))
prometheus.prepare()  # logs, and comes before the first metric is made
