"""Requests to URLs that a user can set: identity providers, webhooks. The only way out for them (`fetch`).

Promises that a URL leads to the public internet or to a host that the operator named, over HTTPS and nothing else:
no address of this machine or its networks is reached, however it is spelt, whatever a name resolves to and whenever.
"""

from __future__ import annotations

from misentinel.kernel.outgoing.client import Answer, Outgoing, fetch
from misentinel.kernel.outgoing.urls import NotReachable, Target, parse_url

__all__ = ["Answer", "NotReachable", "Outgoing", "Target", "fetch", "parse_url"]
