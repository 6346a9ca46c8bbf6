"""Reading: who stands behind a request, and the lists that the console and the command line show."""

from misentinel.teammates.queries.limits import get_limits
from misentinel.teammates.queries.lists import (
    find_enrolment,
    find_teammate_by_email,
    get_credential,
    get_teammate,
    list_credentials,
    list_factors,
    list_sessions,
    list_teammates,
    recovery_codes_left,
)
from misentinel.teammates.queries.operator_access import (
    find_live_access,
    get_access,
    has_had_administrator,
    list_accesses,
    list_operators,
    list_own_accesses,
    list_present,
    list_unconfirmed,
)
from misentinel.teammates.queries.own_account import find_confirmable, find_revertible, list_devices, list_notices
from misentinel.teammates.queries.principals import principal_of_secret, principal_of_session
from misentinel.teammates.queries.recoveries import find_recovery, recovery_by_link, recovery_to_stop
from misentinel.teammates.queries.roles import find_role, get_role, list_roles

__all__ = [
    "find_confirmable",
    "find_enrolment",
    "find_live_access",
    "find_recovery",
    "find_revertible",
    "find_role",
    "find_teammate_by_email",
    "get_access",
    "get_credential",
    "get_limits",
    "get_role",
    "get_teammate",
    "has_had_administrator",
    "list_accesses",
    "list_credentials",
    "list_devices",
    "list_factors",
    "list_notices",
    "list_operators",
    "list_own_accesses",
    "list_present",
    "list_roles",
    "list_sessions",
    "list_teammates",
    "list_unconfirmed",
    "principal_of_secret",
    "principal_of_session",
    "recovery_by_link",
    "recovery_codes_left",
    "recovery_to_stop",
]
