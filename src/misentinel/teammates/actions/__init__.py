"""Changing who may do what, and proving who one is. Each change and its trail entry commit together."""

from misentinel.teammates.actions.compromise import load_blocklist, mark_compromised
from misentinel.teammates.actions.credentials import create_credential, revoke_credential
from misentinel.teammates.actions.devices import forget_device, recognise_device
from misentinel.teammates.actions.enrolling import (
    choose_password,
    complete_enrolment,
    complete_enrolment_with_passkey,
    passkey_options,
    totp_seed,
)
from misentinel.teammates.actions.factors import (
    add_passkey,
    begin_passkey,
    remove_authenticator,
    remove_passkey,
    rename_passkey,
    renew_recovery_codes,
    replace_authenticator,
)
from misentinel.teammates.actions.inviting import (
    invite_teammate,
    reinstate_teammate,
    renew_enrolment,
    suspend_teammate,
)
from misentinel.teammates.actions.limiting import set_session_limits
from misentinel.teammates.actions.own_account import (
    ask_email_change,
    change_name,
    confirm_email_change,
    undo_email_change,
)
from misentinel.teammates.actions.own_password import change_password, replace_compromised_password
from misentinel.teammates.actions.passkeys import begin_with_passkey, check_passkey
from misentinel.teammates.actions.permitting import end_grant, grant_permission, set_permissions
from misentinel.teammates.actions.proving import begin_proof, prove_again
from misentinel.teammates.actions.recovering import (
    approve_recovery,
    ask_recovery,
    begin_recovery,
    refuse_recovery,
    stop_recovery,
)
from misentinel.teammates.actions.roles import create_role, delete_role, edit_role
from misentinel.teammates.actions.rotating import end_overlap, rotate_credential, set_signing_key
from misentinel.teammates.actions.sessions import (
    revoke_other_sessions,
    revoke_session,
    revoke_sessions,
    sign_out,
)
from misentinel.teammates.actions.signing_in import check_code, check_password

__all__ = [
    "add_passkey",
    "approve_recovery",
    "ask_email_change",
    "ask_recovery",
    "begin_passkey",
    "begin_proof",
    "begin_recovery",
    "begin_with_passkey",
    "change_name",
    "change_password",
    "check_code",
    "check_passkey",
    "check_password",
    "choose_password",
    "complete_enrolment",
    "complete_enrolment_with_passkey",
    "confirm_email_change",
    "create_credential",
    "create_role",
    "delete_role",
    "edit_role",
    "end_grant",
    "end_overlap",
    "forget_device",
    "grant_permission",
    "invite_teammate",
    "load_blocklist",
    "mark_compromised",
    "passkey_options",
    "prove_again",
    "recognise_device",
    "refuse_recovery",
    "reinstate_teammate",
    "remove_authenticator",
    "remove_passkey",
    "rename_passkey",
    "renew_enrolment",
    "renew_recovery_codes",
    "replace_authenticator",
    "replace_compromised_password",
    "revoke_credential",
    "revoke_other_sessions",
    "revoke_session",
    "revoke_sessions",
    "rotate_credential",
    "set_permissions",
    "set_session_limits",
    "set_signing_key",
    "sign_out",
    "stop_recovery",
    "suspend_teammate",
    "totp_seed",
    "undo_email_change",
]
