"""The operator's access to customers: staff, asking, giving, entering, ending, and emergencies.

Every change is on the customer's trail, in the transaction that makes it.
"""

from misentinel.teammates.actions.operator_access.asking import ask_for_access, withdraw_access
from misentinel.teammates.actions.operator_access.emergencies import ask_emergency, confirm_emergency
from misentinel.teammates.actions.operator_access.entering import enter, leave
from misentinel.teammates.actions.operator_access.giving import (
    LONGEST,
    decline_access,
    end_access,
    end_what_is_over,
    give_access,
    give_unasked,
)
from misentinel.teammates.actions.operator_access.staff import (
    invite_operator,
    reinstate_operator,
    renew_operator_link,
    suspend_operator,
)

__all__ = [
    "LONGEST",
    "ask_emergency",
    "ask_for_access",
    "confirm_emergency",
    "decline_access",
    "end_access",
    "end_what_is_over",
    "enter",
    "give_access",
    "give_unasked",
    "invite_operator",
    "leave",
    "reinstate_operator",
    "renew_operator_link",
    "suspend_operator",
    "withdraw_access",
]
