"""What the web server runs. Importing the URLs checks that each declares a permission: without, nothing is served."""

from __future__ import annotations

import os
from importlib import import_module

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "misentinel.site.settings")
application = get_wsgi_application()
import_module("misentinel.site.urls")
import_module("misentinel.site.wiring").connect()
