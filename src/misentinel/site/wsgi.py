"""What the web server runs. Importing the URLs checks that each declares a permission: without, nothing is served."""

from __future__ import annotations

import gc
import os
import sys
from importlib import import_module

from django.core.wsgi import get_wsgi_application

# A thread that waited for the database should not also wait 5 ms for another to let go of the interpreter.
sys.setswitchinterval(0.0005)
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "misentinel.site.settings")
application = get_wsgi_application()
import_module("misentinel.site.urls")
import_module("misentinel.site.wiring").connect()

# A batch of events is thousands of small objects, none of them in cycles. Looking for cycles at every 700th, through
# all that was ever loaded, took a quarter of the time: what is loaded now is left out, the rest looked at less often.
gc.collect()
gc.freeze()
gc.set_threshold(50_000, 20, 20)
