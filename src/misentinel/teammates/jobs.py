"""What time makes useless is forgotten: sign-in tries, nonces, challenges, and the leftovers of sessions and links."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction

from misentinel.kernel.actor import system
from misentinel.kernel.clock import now
from misentinel.teammates import nonces, passkeys, throttle
from misentinel.teammates.actions.operator_access import end_what_is_over
from misentinel.teammates.actions.permitting import end_expired_grants
from misentinel.teammates.actions.signing_on import forget_sign_ons
from misentinel.teammates.contracts import Notice, Permission
from misentinel.teammates.models import Credential, EmailChange, Enrolment, NoticeRecord, SessionRecord
from misentinel.teammates.notices import notify_holders
from misentinel.teammates.session_store import SessionStore

_KEPT = timedelta(days=30)  # as long as an address that somebody signed in from counts as theirs, see throttle
_WARN_BEFORE = timedelta(days=7)


def forget_what_ended() -> None:
    """Safe to repeat. What happened stays on the trail; these rows only served to decide."""
    throttle.forget_old()
    end_what_is_over()
    end_expired_grants(system("teammates"))
    nonces.forget_old()
    passkeys.forget_old()
    SessionStore.clear_expired()
    SessionRecord.objects.filter(expires_at__lt=now() - _KEPT).delete()
    Enrolment.objects.filter(expires_at__lt=now() - _KEPT).delete()
    EmailChange.objects.filter(expires_at__lt=now() - _KEPT).delete()
    NoticeRecord.objects.filter(created_at__lt=now() - _KEPT).delete()
    forget_sign_ons()


def tell_of_expiring_keys() -> int:
    """Notices to whoever may make keys, once for each that ends within a week. Returns how many keys that were."""
    at = now()
    due = Credential.objects.filter(
        revoked_at=None, warned_at=None, expires_at__gt=at, expires_at__lte=at + _WARN_BEFORE
    )
    told = 0
    for credential_id in list(due.values_list("id", flat=True)):
        with transaction.atomic():
            row = due.select_for_update().filter(id=credential_id).first()
            if row is None:  # told by another process, or revoked, since
                continue
            notify_holders(
                row.customer_id, Permission.APPS_AND_API, Notice.KEY_EXPIRES,
                key=f"{row.name} ({row.hint})", expires=row.expires_at, link="/settings/keys",
            )  # fmt: skip
            row.warned_at = at
            row.save(update_fields=["warned_at"])
            told += 1
    return told
