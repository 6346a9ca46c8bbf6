"""Slows guessing, per account and per address, across every process, without ever locking anyone out for good.

A try is written down *before* the password is looked at and struck out again if it succeeds, so that any number
of tries at the same moment cannot pass together. In a window of five minutes, with N = `sign_in_attempts`:
one address may fail N times for one account, 5·N times for all accounts; an account may be tried 10·N times from
everywhere, except that an address its owner signed in from lately is never held up by what others do.
"""

from __future__ import annotations

import ipaddress
from datetime import timedelta

from django.utils.crypto import salted_hmac

from misentinel.kernel import settings
from misentinel.kernel.clock import now
from misentinel.kernel.errors import TooMany
from misentinel.teammates.models import SessionRecord, SignInFailure, Teammate

WINDOW = timedelta(minutes=5)
_FAMILIAR = timedelta(days=30)
_PER_ADDRESS = 5
_PER_ACCOUNT = 10


def begin(account: str, address: str) -> SignInFailure:
    """Writes a try down. Raises `TooMany` if it is one too many; the same for accounts that do not exist."""
    attempt = SignInFailure.objects.create(
        account=_keyed("account", account), address=_keyed("address", _network(address))
    )
    recent = SignInFailure.objects.filter(at__gt=now() - WINDOW)
    limit = settings.load().sign_in_attempts
    together = recent.filter(account=attempt.account, address=attempt.address).count()
    from_address = recent.filter(address=attempt.address).count()
    of_account = recent.filter(account=attempt.account).count()
    too_many = together > limit or from_address > limit * _PER_ADDRESS
    if not too_many and of_account > limit * _PER_ACCOUNT:
        too_many = not _is_familiar(account, address)
    if too_many:
        attempt.delete()  # waiting is measured from tries that were looked at, or patience would never help
        raise TooMany("Too many tries. Wait five minutes and try again.", retry_after=int(WINDOW.total_seconds()))
    return attempt


def succeed(attempt: SignInFailure) -> None:
    """Strikes out this try and the earlier failures of the same account from the same address."""
    SignInFailure.objects.filter(account=attempt.account, address=attempt.address).delete()


def finish(account: str, address: str) -> None:
    """Strikes out every try of the account from this address, where the one that succeeded is not at hand."""
    SignInFailure.objects.filter(
        account=_keyed("account", account), address=_keyed("address", _network(address))
    ).delete()


def forget_old() -> int:
    """Deletes tries that no longer count. Returns how many."""
    deleted, _ = SignInFailure.objects.filter(at__lte=now() - WINDOW).delete()
    return deleted


def _is_familiar(account: str, address: str) -> bool:
    lately = SessionRecord.objects.filter(
        teammate__in=Teammate.objects.filter(email=account), started_at__gt=now() - _FAMILIAR
    )
    return _network(address) in map(_network, lately.values_list("address", flat=True).distinct())


def _network(address: str) -> str:
    """One subscriber holds a whole /64 of IPv6, so that is what counts as one address (RFC 6177)."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return address
    return str(ipaddress.ip_network((parsed, 64), strict=False))


def _keyed(what: str, value: str) -> bytes:
    return salted_hmac(f"misentinel.teammates.throttle.{what}", value, algorithm="sha256").digest()
