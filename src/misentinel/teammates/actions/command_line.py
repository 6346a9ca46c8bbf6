"""What the command line may do to a customer: everything while it is being set up, and hardly anything after.

As soon as somebody of the customer's has enrolled who can manage its teammates, the operator needs an access that the
customer gave, or a confirmed emergency, for what the command line would show or do there.
"""

from __future__ import annotations

from uuid import UUID

from misentinel.kernel.actor import COMMAND_LINE, Actor
from misentinel.kernel.clock import now
from misentinel.kernel.errors import Refused
from misentinel.kernel.ids import parse_id
from misentinel.teammates.contracts import Permission
from misentinel.teammates.contracts.operators import AccessView
from misentinel.teammates.models import Access
from misentinel.teammates.queries.operator_access import find_live_access, has_had_administrator

_ASK = "Ask them in the console, under Operator, and name the access that they give you with --grant ID."


def require_free_hand(actor: Actor, customer_id: UUID) -> None:
    """Raises `Refused` where the operator would hand something out at a customer that can do so itself.

    No access opens this: what was handed out would outlast it.
    """
    if actor.credential != COMMAND_LINE:
        raise Refused("The operator's staff hand out nothing at a customer. Ask its administrators to do it.")
    if has_had_administrator(customer_id):
        raise Refused(
            "This customer has an administrator, so only its own teammates hand out permissions, links and keys. "
            "Ask them to do it in the console."
        )


def require_look(actor: Actor, customer_id: UUID) -> None:
    """Raises `Refused` unless this customer has no administrator yet, or the actor's access opens its trail."""
    if not has_had_administrator(customer_id):
        return
    access = _live(actor, customer_id)
    if access is None:
        raise Refused(f"This shows what belongs to a customer that has an administrator. {_ASK}")
    if Permission.TRAIL not in access.permissions:
        raise Refused(f"This access does not hold “{Permission.TRAIL.title}”, which this needs.")
    Access.objects.filter(id=access.id).update(command_line_at=now())


def require_containment(actor: Actor, customer_id: UUID) -> None:
    """For what only takes away. Raises `Refused` unless this customer has no administrator yet, or an emergency there
    has been confirmed.
    """
    if not has_had_administrator(customer_id):
        return
    access = _live(actor, customer_id)
    if access is None or not access.emergency:
        raise Refused(
            "This customer has an administrator: ask them to do this in the console. If they cannot answer, two "
            "operators open an emergency there, and this takes --grant ID."
        )
    Access.objects.filter(id=access.id).update(command_line_at=now())


def _live(actor: Actor, customer_id: UUID) -> AccessView | None:
    access_id = parse_id(actor.access)
    found = find_live_access(access_id) if access_id else None
    return found if found is not None and found.customer_id == customer_id else None
