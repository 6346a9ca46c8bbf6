"""Django's settings, made from ours (`misentinel.kernel.settings`). What is configured is decided there."""

from __future__ import annotations

from typing import Any

from misentinel.kernel import settings as kernel_settings
from misentinel.kernel.errors import Misconfigured
from misentinel.store.clusters import data_cluster, parse_dsn, vault_cluster

MISENTINEL = kernel_settings.load()

DEBUG = False
ALLOWED_HOSTS = ["*"]  # Links are made from the public URL, never from the Host header.
ROOT_URLCONF = "misentinel.site.urls"
WSGI_APPLICATION = "misentinel.site.wsgi.application"
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-gb"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
APPEND_SLASH = False

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "procrastinate.contrib.django",
    "misentinel.vault",
    "misentinel.store",
    "misentinel.trail",
    "misentinel.customers",
    "allauth.account",
    "allauth.mfa",
    "misentinel.teammates",
    "misentinel.people",
    "misentinel.events",
    "misentinel.segments",
    "misentinel.messages",
    "misentinel.web.console",
    "misentinel.web",
]

MIDDLEWARE = [
    "misentinel.web.requests.RequestIdentity",
    "django.middleware.security.SecurityMiddleware",
    "misentinel.web.headers.SecurityHeaders",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "misentinel.web.devices.DeviceCookie",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]


def _database(setting: str, url: str, fallback: str) -> dict[str, Any]:
    from misentinel.store.postgres.entry import django_database

    parameters = parse_dsn(url or fallback, setting)
    if not parameters.get("dbname"):
        raise Misconfigured(f"Setting {setting} names no database; end it with /NAME or add dbname=NAME.")
    return django_database(parameters, "misentinel.store.postgres.verified", max_age=600)


DATABASES = {
    "default": _database("control_url", MISENTINEL.control_url, data_cluster(MISENTINEL).dsn("control")),
    "vault": _database("vault_url", MISENTINEL.vault_url, vault_cluster(MISENTINEL).dsn("vault")),
}
DATABASE_ROUTERS = ["misentinel.store.planes.Router"]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }
]

STATIC_URL = "/static/"
STATIC_ROOT = None  # served from the packages, through the finders; nothing is collected
WHITENOISE_USE_FINDERS = True
WHITENOISE_MAX_AGE = 3600

SECURE_HSTS_SECONDS = 63_072_000  # two years, as the HSTS preload list and SSL Labs ask for at least one
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_SSL_REDIRECT = False  # plain HTTP never reaches the program: the redirecting listener answers it
X_FRAME_OPTIONS = "DENY"
# What `check --deploy` asks for and another part does; each line says which. Nothing else is silenced.
SILENCED_SYSTEM_CHECKS = [
    "security.W003",  # the gate protects every console route against forgery, and a test attacks it
    "security.W008",  # plain HTTP never reaches the program, so there is nothing to redirect
]
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
FILE_UPLOAD_HANDLERS = ["misentinel.web.uploads.NoFiles"]

AUTH_USER_MODEL = "teammates.Teammate"
PASSWORD_HASHERS = ["misentinel.teammates.passwords.hashing.PepperedArgon2id"]  # and no other
MFA_ADAPTER = "misentinel.teammates.second_factor.SealedSeeds"
ACCOUNT_EMAIL_VERIFICATION = "none"  # an administrator hands out the enrolment link; nobody signs up
SESSION_ENGINE = "misentinel.teammates.session_store"
SESSION_COOKIE_NAME = "__Host-session"
SESSION_COOKIE_AGE = 7 * 24 * 3600  # how long the browser keeps it; the limits that bind are in teammates
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_NAME = "__Host-csrf"
CSRF_FAILURE_VIEW = "misentinel.web.gate.refuse_forgery"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": MISENTINEL.log_level},
    "loggers": {
        "procrastinate": {"level": "WARNING"},
        "fido2": {"level": "WARNING"},
        "django.request": {"level": "ERROR"},
    },
}
