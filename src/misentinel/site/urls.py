"""Every URL there is. Each is registered with the gate; a test walks them all."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver

from misentinel.web.api import urls as api
from misentinel.web.console import (
    account,
    account_company,
    account_confirm,
    account_enrolment,
    account_factors,
    account_passkeys,
    account_password,
    account_profile,
    account_recovery,
    account_sessions,
    teammates,
    teammates_grants,
    teammates_keys,
    teammates_recovery,
    teammates_roles,
)
from misentinel.web.console import urls as console
from misentinel.web.gate import check_routes
from misentinel.web.public import policy_reports, unsubscribe, well_known

urlpatterns: list[URLPattern | URLResolver] = [
    *api.urlpatterns,
    *console.urlpatterns,
    *account.routes.urlpatterns(),
    *account_company.routes.urlpatterns(),
    *account_company.posts.urlpatterns(),
    *account_confirm.routes.urlpatterns(),
    *account_enrolment.routes.urlpatterns(),
    *account_profile.routes.urlpatterns(),
    *account_sessions.routes.urlpatterns(),
    *teammates_roles.routes.urlpatterns(),
    *teammates_grants.routes.urlpatterns(),
    *account_factors.routes.urlpatterns(),
    *account_passkeys.routes.urlpatterns(),
    *account_password.routes.urlpatterns(),
    *account_recovery.routes.urlpatterns(),
    *teammates_recovery.routes.urlpatterns(),
    *teammates.routes.urlpatterns(),
    *teammates_keys.routes.urlpatterns(),
    *unsubscribe.routes.urlpatterns(),
    *policy_reports.routes.urlpatterns(),
    *well_known.routes.urlpatterns(),
]

handler400 = "misentinel.web.answers.bad_request"
handler404 = "misentinel.web.answers.not_found"
handler500 = "misentinel.web.answers.server_error"

DECLARATIONS = check_routes(urlpatterns)
