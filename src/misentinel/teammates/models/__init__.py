"""Teammates, their factors, sessions and keys (control plane).

Written by this domain's actions only. Whoever could write here could let themselves in as anyone, so no other
domain and no customer's role reaches these tables. Whoever can only read here learns names and addresses of
teammates and no way in: passwords are argon2id, TOTP seeds are sealed by the vault, links, keys, recovery
codes and session keys are digests.
"""

from misentinel.teammates.models.accounts import EmailChange, Enrolment, RecoveryCode, Teammate
from misentinel.teammates.models.credentials import Credential, SpentNonce
from misentinel.teammates.models.notices import NoticeRecord
from misentinel.teammates.models.operator_access import Access
from misentinel.teammates.models.passkeys import Challenge, Passkey
from misentinel.teammates.models.provisioning import DirectoryGroup, Provisioned
from misentinel.teammates.models.recovery import RecoveryRequest
from misentinel.teammates.models.roles import Grant, Role
from misentinel.teammates.models.sessions import Device, SessionLimits, SessionRecord
from misentinel.teammates.models.single_sign_on import Connection, ConnectionDomain, SeenAssertion, SingleSignOn
from misentinel.teammates.models.throttling import SignInFailure

__all__ = [
    "Access",
    "Challenge",
    "Connection",
    "ConnectionDomain",
    "Credential",
    "Device",
    "DirectoryGroup",
    "EmailChange",
    "Enrolment",
    "Grant",
    "NoticeRecord",
    "Passkey",
    "Provisioned",
    "RecoveryCode",
    "RecoveryRequest",
    "Role",
    "SeenAssertion",
    "SessionLimits",
    "SessionRecord",
    "SignInFailure",
    "SingleSignOn",
    "SpentNonce",
    "Teammate",
]
