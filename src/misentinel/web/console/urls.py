"""Every page of the console; importing a page registers its routes."""

from __future__ import annotations

from misentinel.web.console.pages import (
    attributes,
    mailbox,
    messages,
    operator,
    operator_access,
    operator_log,
    overview,
    people,
    questions,
    security,
    segments,
    settings,
    single_sign_on,
    sinks,
    trail,
    trail_export,
    trail_readers,
)
from misentinel.web.console.routes import routes

PAGES = (
    attributes, mailbox, messages, operator, operator_access, operator_log, overview, people, questions, security,
    segments, settings, single_sign_on, sinks, trail, trail_export, trail_readers,
)  # fmt: skip
urlpatterns = routes.urlpatterns()
