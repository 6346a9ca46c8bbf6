"""Every page of the console; importing a page registers its routes."""

from __future__ import annotations

from misentinel.web.console.pages import (
    attributes,
    mailbox,
    messages,
    operator,
    operator_access,
    overview,
    people,
    questions,
    security,
    segments,
    settings,
    single_sign_on,
    sinks,
    trail,
)
from misentinel.web.console.routes import routes

PAGES = (
    attributes, mailbox, messages, operator, operator_access, overview, people, questions, security, segments, settings,
    single_sign_on, sinks, trail,
)  # fmt: skip
urlpatterns = routes.urlpatterns()
