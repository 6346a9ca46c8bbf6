"""A teammate who lost every factor gets a new one: they know their password, a second teammate approves, time passes.

1. With the right password, in place of the second factor, they ask. They are shown a link, once; they, and everyone
   who manages teammates, are told.
2. A second teammate, who manages teammates and may do everything that this account may do, approves or refuses. They
   never see the link. Nobody decides on their own request.
3. After `recovery_wait_hours`, in which the owner can stop it by signing in or with the link in the notice, the asker's
   link and the password together lead to enrolling a new factor. All earlier factors and sessions end with it.

Each step locks the request's row, so that two of them at once cannot both count.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from uuid import UUID

from django.db import IntegrityError, transaction

from misentinel.kernel import settings
from misentinel.kernel.actor import Actor, ActorKind
from misentinel.kernel.clock import now
from misentinel.kernel.errors import Conflict, NotFound, NotSignedIn, Refused, TooMany
from misentinel.teammates import passwords, rules, second_factor, throttle
from misentinel.teammates.actions.compromise import mark
from misentinel.teammates.actions.inviting import end_links
from misentinel.teammates.actions.recovery_ends import end, locked_request
from misentinel.teammates.actions.signing_in import record_failure
from misentinel.teammates.contracts import Notice, Permission
from misentinel.teammates.models import Enrolment, RecoveryRequest, Teammate
from misentinel.teammates.notices import notify, notify_holders
from misentinel.teammates.queries.holding import held_for_good, held_now
from misentinel.teammates.queries.principals import digest_of
from misentinel.teammates.queries.recoveries import recovery_by_link, recovery_to_stop, stop_token
from misentinel.trail.actions import record_control
from misentinel.trail.contracts import Tag

ASKING_LASTS = timedelta(days=7)
OPEN_LASTS = timedelta(days=3)
_ENROLLING_LASTS = timedelta(hours=1)
_GONE = "This link was used, has expired, or was stopped. Sign in and ask again."


def ask_recovery(actor: Actor, teammate_id: UUID, *, device: str) -> str:
    """Opens a request for one who has just given the right password. Returns the path of their link, shown once.

    Raises `Conflict` while a request is open: whoever asks second may be an impostor, and so may the first.
    """
    token = secrets.token_urlsafe(32)
    with transaction.atomic():
        teammate = Teammate.objects.select_for_update().filter(id=teammate_id).first()
        if teammate is None or not teammate.may_sign_in:
            raise NotSignedIn("Sign in from the start.")
        RecoveryRequest.objects.filter(teammate=teammate, ended_at=None, expires_at__lte=now()).update(
            ended_at=now(), outcome="expired"
        )
        try:
            with transaction.atomic():
                request = RecoveryRequest.objects.create(
                    teammate=teammate, token_digest=digest_of(token), device=device[:120], address=actor.address,
                    asked_at=now(), expires_at=now() + ASKING_LASTS,
                )  # fmt: skip
        except IntegrityError:
            raise Conflict("A request is open already. Use its link, or have it stopped first.") from None
        _record(_as(actor, teammate), teammate, Tag.RECOVERY_ASK, request=str(request.id))
        notify(teammate, Notice.RECOVERY_ASKED, device=device, address=actor.address, link=stop_path(request.id))
        notify_holders(
            teammate.customer_id, Permission.TEAMMATES, Notice.RECOVERY_WAITS, link=f"/teammates/{teammate.id}"
        )
    return f"/recover/{token}"


def approve_recovery(actor: Actor, customer_id: UUID, teammate_id: UUID) -> None:
    """Starts the waiting time. Raises `Refused` for one's own request or beyond one's reach, `Conflict` if there is
    nothing to approve."""
    with transaction.atomic():
        teammate, request = _open(customer_id, teammate_id)
        _require_second_teammate(actor, teammate)
        if request.opens_at is not None:
            raise Conflict("This request is approved already.")
        request.approver_id = UUID(actor.id)
        request.opens_at = now() + timedelta(hours=settings.load().recovery_wait_hours)
        request.expires_at = request.opens_at + OPEN_LASTS
        request.save(update_fields=["approver_id", "opens_at", "expires_at"])
        _record(actor, teammate, Tag.RECOVERY_APPROVE, request=str(request.id))
        approver, link = Teammate.objects.get(id=actor.id), stop_path(request.id)
        notify(teammate, Notice.RECOVERY_APPROVED, until=request.opens_at, link=link)
        notify(approver, Notice.RECOVERY_GIVEN, until=request.opens_at, link=link)


def refuse_recovery(actor: Actor, customer_id: UUID, teammate_id: UUID) -> None:
    """Ends the request, approved or not. Raises `Conflict` if there is none."""
    with transaction.atomic():
        _, request = _open(customer_id, teammate_id)
        end(actor, request, Tag.RECOVERY_REFUSE, "refused")


def stop_recovery(actor: Actor, token: str) -> None:
    """Ends the request that a notice told of: "this was not me". Somebody knew the password, so it counts as known.

    Raises `NotFound` for a link that is over.
    """
    with transaction.atomic():
        found = recovery_to_stop(token)
        if found is None:
            raise NotFound(_GONE)
        request = locked_request(Teammate.objects.select_for_update().get(id=found.teammate_id))
        if request is None or request.id != found.id:
            raise NotFound(_GONE)
        acting = _as(actor, request.teammate)
        end(acting, request, Tag.RECOVERY_CANCEL, "cancelled", by="notice")
        mark(acting, request.teammate, evidence="recovery_stopped")


def begin_recovery(actor: Actor, token: str, password: str) -> UUID:
    """Takes the asker's link and password once the waiting time is over. Returns the enrolment for a new factor.

    Raises `NotSignedIn` for a wrong password, `TooMany` while throttled, `Conflict` before its time, `NotFound` for a
    link that is over, `Refused` if whoever approved could not do so any more.
    """
    found = recovery_by_link(token)
    if found is None:
        raise NotFound(_GONE)
    teammate = Teammate.objects.get(id=found.teammate_id)
    try:
        attempt = throttle.begin(teammate.email, actor.address)
    except TooMany:
        record_failure(actor, teammate, step="recovery", reason="throttled")
        raise
    if not passwords.matches(teammate, password):
        record_failure(actor, teammate, step="recovery")
        raise NotSignedIn("This is not the password of this account.")
    with transaction.atomic():
        teammate = Teammate.objects.select_for_update().get(id=teammate.pk)
        request = locked_request(teammate)
        if request is None or request.id != found.id or not teammate.may_sign_in:
            raise NotFound(_GONE)
        if request.opens_at is None or request.opens_at > now():
            raise Conflict("This is not open yet.")
        _require_approval_stands(request, teammate)
        throttle.succeed(attempt)
        end_links(teammate)
        enrolment = Enrolment.objects.create(
            teammate=teammate, token_digest=secrets.token_bytes(32), created_at=now(),
            expires_at=now() + _ENROLLING_LASTS, pending_password=teammate.password,
            pending_secret=second_factor.seal_seed(second_factor.new_seed()),
        )  # fmt: skip
        request.enrolment_id = enrolment.id
        request.save(update_fields=["enrolment_id"])
        _record(_as(actor, teammate), teammate, Tag.RECOVERY_VIEW, request=str(request.id), opened=True)
    return enrolment.id


def stop_path(request_id: UUID) -> str:
    return f"/recover/stop/{stop_token(request_id)}"


def _open(customer_id: UUID, teammate_id: UUID) -> tuple[Teammate, RecoveryRequest]:
    teammate = Teammate.objects.select_for_update().filter(id=teammate_id, customer_id=customer_id).first()
    if teammate is None:
        raise NotFound("There is no such teammate.")
    request = locked_request(teammate)
    if request is None:
        raise Conflict("There is no open request of this teammate.")
    return teammate, request


def _require_second_teammate(actor: Actor, teammate: Teammate) -> None:
    if actor.kind is not ActorKind.TEAMMATE or actor.id == str(teammate.id):
        raise Refused("Somebody else who manages teammates has to decide this.")
    _require_reach(Teammate.objects.select_for_update().filter(id=actor.id).first(), teammate)


def _require_reach(approver: Teammate | None, teammate: Teammate) -> None:
    if approver is None or approver.customer_id != teammate.customer_id or not approver.may_sign_in:
        raise Refused("Whoever approved this is no longer here. Ask again.")
    held = held_for_good(approver)
    if Permission.TEAMMATES not in held:
        raise Refused("This needs the permission “Teammates and permissions”, for good.")
    rules.require_reach(held, held_now(teammate))


def _require_approval_stands(request: RecoveryRequest, teammate: Teammate) -> None:
    """The account may do more by now, and the approver less."""
    approver = Teammate.objects.filter(id=request.approver_id).first() if request.approver_id else None
    _require_reach(approver, teammate)


def _as(actor: Actor, teammate: Teammate) -> Actor:
    return Actor(ActorKind.TEAMMATE, str(teammate.id), actor.credential, actor.address, actor.request_id)


def _record(actor: Actor, teammate: Teammate, tag: Tag, **details: object) -> None:
    record_control(
        actor, tag, customer_id=teammate.customer_id, object_kind="teammate", object_id=teammate.id, details=details
    )
