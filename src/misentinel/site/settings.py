"""Django's settings, made from ours (`misentinel.kernel.settings`). What is configured is decided there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from psycopg.conninfo import conninfo_to_dict

from misentinel.kernel import settings as kernel_settings
from misentinel.store.clusters import data_cluster, vault_cluster

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
    "django.contrib.staticfiles",
    "procrastinate.contrib.django",
    "misentinel.vault",
    "misentinel.store",
    "misentinel.trail",
    "misentinel.customers",
    "misentinel.web",
]

MIDDLEWARE = [
    "misentinel.web.requests.RequestIdentity",
    "django.middleware.security.SecurityMiddleware",
    "misentinel.web.headers.SecurityHeaders",
    "whitenoise.middleware.WhiteNoiseMiddleware",
]


def _database(url: str, fallback: str) -> dict[str, Any]:
    from misentinel.store.postgres.entry import django_database

    return django_database(conninfo_to_dict(url or fallback), "django.db.backends.postgresql", max_age=600)


DATABASES = {
    "default": _database(MISENTINEL.control_url, data_cluster(MISENTINEL).dsn("control")),
    "vault": _database(MISENTINEL.vault_url, vault_cluster(MISENTINEL).dsn("vault")),
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
STATIC_ROOT = Path(MISENTINEL.home) / "static"
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
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": MISENTINEL.log_level},
    "loggers": {"procrastinate": {"level": "WARNING"}, "django.request": {"level": "ERROR"}},
}
