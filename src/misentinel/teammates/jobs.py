"""What time makes useless is forgotten: sign-in tries, nonces, challenges, and the leftovers of sessions and links."""

from __future__ import annotations

from datetime import timedelta

from misentinel.kernel.actor import system
from misentinel.kernel.clock import now
from misentinel.teammates import nonces, passkeys, throttle
from misentinel.teammates.actions.permitting import end_expired_grants
from misentinel.teammates.actions.signing_on import forget_sign_ons
from misentinel.teammates.models import EmailChange, Enrolment, NoticeRecord, SessionRecord
from misentinel.teammates.session_store import SessionStore

_KEPT = timedelta(days=30)  # as long as an address that somebody signed in from counts as theirs, see throttle


def forget_what_ended() -> None:
    """Safe to repeat. What happened stays on the trail; these rows only served to decide."""
    throttle.forget_old()
    end_expired_grants(system("teammates"))
    nonces.forget_old()
    passkeys.forget_old()
    SessionStore.clear_expired()
    SessionRecord.objects.filter(expires_at__lt=now() - _KEPT).delete()
    Enrolment.objects.filter(expires_at__lt=now() - _KEPT).delete()
    EmailChange.objects.filter(expires_at__lt=now() - _KEPT).delete()
    NoticeRecord.objects.filter(created_at__lt=now() - _KEPT).delete()
    forget_sign_ons()
