"""One's own ways to sign in: authenticator, passkeys, recovery codes. Changes ask for a fresh proof first."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages as flash
from django.http import HttpResponse, HttpResponseRedirect, JsonResponse

from misentinel.kernel.errors import Conflict, Invalid, MiSentinelError, TooMany
from misentinel.teammates import actions, queries, second_factor
from misentinel.teammates.contracts import Permission
from misentinel.trail.contracts import Tag
from misentinel.web.console.account_enrolment import FirstCodeForm
from misentinel.web.console.account_pages import show, try_again
from misentinel.web.console.account_passkeys import answer_in
from misentinel.web.gate import Edge, Gate, Routes
from misentinel.web.passkeys import binding_of

routes = Routes(Edge.CONSOLE)
_NEEDS = Permission.SIGNED_IN
_NEW_SEED = "new_seed"


@routes.get("account/factors", needs=_NEEDS, tag=Tag.FACTOR_LIST, name="factors")
def factors(gate: Gate) -> HttpResponse:
    return _page(gate)


@routes.post("account/confirm/passkey/options", needs=_NEEDS, tag=Tag.STEP_UP_VIEW, name="confirm-passkey-options")
def confirm_options(gate: Gate) -> HttpResponse:
    return JsonResponse(actions.begin_proof(_own(gate), binding_of(gate.request)))


@routes.get("account/factors/passkey", needs=_NEEDS, tag=Tag.FACTOR_VIEW, name="passkey-new", fresh=True)
def new_passkey(gate: Gate) -> HttpResponse:
    return show(gate, "account/new_passkey.html", {})


@routes.post("account/factors/passkey/options", needs=_NEEDS, tag=Tag.FACTOR_VIEW, name="passkey-options")
def passkey_options(gate: Gate) -> HttpResponse:
    return JsonResponse(actions.begin_passkey(_own(gate), binding_of(gate.request)))


@routes.post("account/factors/passkey", needs=_NEEDS, tag=Tag.FACTOR_ENROL, name="passkey-new", fresh=True)
def add_passkey(gate: Gate) -> HttpResponse:
    try:
        answer, name = answer_in(gate.request)
        actions.add_passkey(gate.actor, _own(gate), binding_of(gate.request), answer, name)
    except (Invalid, Conflict) as error:
        return show(gate, "account/new_passkey.html", {"error": error.message}, status=error.status)
    flash.success(gate.request, "The passkey was added. You can sign in with it alone.")
    return HttpResponseRedirect("/account/factors")


@routes.post("account/factors/passkey/<uuid:passkey_id>/name", needs=_NEEDS, tag=Tag.FACTOR_EDIT, name="passkey-name")
def rename_passkey(gate: Gate, passkey_id: UUID) -> HttpResponse:
    try:
        actions.rename_passkey(gate.actor, _own(gate), passkey_id, gate.request.POST.get("name", ""))
    except Invalid as error:
        return _page(gate, error)
    return HttpResponseRedirect("/account/factors")


@routes.post(
    "account/factors/passkey/<uuid:passkey_id>/remove",
    needs=_NEEDS,
    tag=Tag.FACTOR_REMOVE,
    name="passkey-remove",
    fresh=True,
)
def remove_passkey(gate: Gate, passkey_id: UUID) -> HttpResponse:
    try:
        actions.remove_passkey(gate.actor, _own(gate), passkey_id)
    except Conflict as error:
        return _page(gate, error)
    flash.success(gate.request, "The passkey was removed and opens nothing any more.")
    return HttpResponseRedirect("/account/factors")


@routes.get("account/factors/authenticator", needs=_NEEDS, tag=Tag.FACTOR_VIEW, name="authenticator", fresh=True)
def new_authenticator(gate: Gate) -> HttpResponse:
    return show(gate, "account/new_authenticator.html", _authenticator(gate, FirstCodeForm()))


@routes.post("account/factors/authenticator", needs=_NEEDS, tag=Tag.FACTOR_ENROL, name="authenticator", fresh=True)
def replace_authenticator(gate: Gate) -> HttpResponse:
    form = FirstCodeForm(gate.request.POST)
    context = _authenticator(gate, form)
    if not form.is_valid():
        return show(gate, "account/new_authenticator.html", context, status=422)
    seed = second_factor.open_seed(gate.request.session[_NEW_SEED])
    try:
        actions.replace_authenticator(gate.actor, _own(gate), seed, form.cleaned_data["code"])
    except (Invalid, TooMany) as error:
        return try_again(gate, "account/new_authenticator.html", context, error)
    del gate.request.session[_NEW_SEED]
    flash.success(gate.request, "The authenticator is connected.")
    return HttpResponseRedirect("/account/factors")


@routes.post(
    "account/factors/authenticator/remove",
    needs=_NEEDS, tag=Tag.FACTOR_REMOVE, name="authenticator-remove", fresh=True,
)  # fmt: skip
def remove_authenticator(gate: Gate) -> HttpResponse:
    try:
        actions.remove_authenticator(gate.actor, _own(gate))
    except Conflict as error:
        return _page(gate, error)
    flash.success(gate.request, "The authenticator was removed. Its codes open nothing any more.")
    return HttpResponseRedirect("/account/factors")


@routes.post(
    "account/factors/recovery-codes",
    needs=_NEEDS, tag=Tag.RECOVERY_CODES_RENEW, name="recovery-codes", fresh=True,
)  # fmt: skip
def renew_recovery_codes(gate: Gate) -> HttpResponse:
    """Answers with the codes, which no later request can show."""
    codes = actions.renew_recovery_codes(gate.actor, _own(gate))
    return show(gate, "account/recovery_codes.html", {"codes": codes, "back": "/account/factors"})


def _own(gate: Gate) -> UUID:
    return UUID(gate.principal.id)


def _page(gate: Gate, error: MiSentinelError | None = None) -> HttpResponse:
    context = {"factors": queries.list_factors(_own(gate)), "error": error.message if error else ""}
    return show(gate, "account/factors.html", context, status=error.status if error else 200)


def _authenticator(gate: Gate, form: FirstCodeForm) -> dict[str, object]:
    """A seed that stays the same while the page is reloaded; sealed, since sessions are rows of the database."""
    session = gate.request.session
    if _NEW_SEED not in session:
        session[_NEW_SEED] = second_factor.seal_seed(second_factor.new_seed())
    seed = second_factor.open_seed(session[_NEW_SEED])
    email = queries.get_teammate(gate.employer_id, _own(gate)).email
    return {
        "form": form,
        "qr": second_factor.qr_data_uri(second_factor.provisioning_uri(email, seed)),
        "seed": second_factor.spaced(seed),
    }
