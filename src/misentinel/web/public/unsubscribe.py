"""Unsubscribing by the link in a message, without signing in (RFC 8058).

A mail program posts to the link and is done; a person sees a page with one button. Looking changes nothing, because
scanners follow links. A token that means nothing is answered like any page that does not exist.
"""

from __future__ import annotations

from dataclasses import replace

from django.http import HttpResponse
from django.shortcuts import render

from misentinel.kernel.actor import ActorKind
from misentinel.messages import actions, queries
from misentinel.messages.queries.unsubscribing import Unsubscription
from misentinel.teammates.contracts import Permission
from misentinel.trail.contracts import Tag
from misentinel.web.gate import Edge, Gate, Routes

routes = Routes(Edge.PUBLIC)
_URL, _NAME = "u/<str:token>", "unsubscribe"


@routes.get(_URL, needs=Permission.PUBLIC, tag=Tag.UNSUBSCRIBE_VIEW, name=_NAME)
def ask(gate: Gate, token: str) -> HttpResponse:
    link = _found(gate, token)
    return render(gate.request, "unsubscribe.html", {"done": link.done})


@routes.post(_URL, needs=Permission.PUBLIC, tag=Tag.UNSUBSCRIBE, name=_NAME)
def confirm(gate: Gate, token: str) -> HttpResponse:
    link = _found(gate, token)
    reader = replace(gate.actor, kind=ActorKind.PERSON, id=str(link.person_id), credential="unsubscribe link")
    actions.unsubscribe(link.store, reader, link)
    return render(gate.request, "unsubscribe.html", {"done": True})


def _found(gate: Gate, token: str) -> Unsubscription:
    link = queries.find_unsubscription(token)
    gate.belongs_to(link.store)
    gate.looks_at(object_kind="delivery", object_id=link.delivery_id, person_id=link.person_id)
    return link
