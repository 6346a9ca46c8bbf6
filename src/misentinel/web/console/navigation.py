"""The sidebar: which pages there are, in which order, and for whom."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from misentinel.teammates.contracts import Permission as P


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of a menu, shown to whoever holds any of `needs`; without them, to everyone signed in.

    Whoever holds `unless` reaches the page from another entry.
    """

    label: str
    url: str
    icon: str
    needs: frozenset[P] = frozenset()
    unless: P | None = None
    current: bool = False


_SECURITY = frozenset({P.SECURITY_SETTINGS})
PAGES = (
    Item("Overview", "/", "layout-dashboard"),
    Item("People", "/people", "users", frozenset({P.USER_DATA})),
    Item("Segments", "/segments", "chart-pie", frozenset({P.USER_DATA})),
    Item("Messages", "/messages", "send"),
    Item("Mailbox", "/mailbox", "inbox", frozenset({P.USER_DATA})),
    Item("Trail", "/trail", "history", frozenset({P.TRAIL})),
    Item("Teammates", "/teammates", "user-shield", frozenset({P.TEAMMATES})),
    Item("Settings", "/settings", "settings", frozenset({P.APP_SETTINGS})),
    Item("API keys", "/settings/keys", "key", frozenset({P.APPS_AND_API}), unless=P.APP_SETTINGS),
    Item("Single sign-on", "/settings/single-sign-on", "shield-check", _SECURITY, unless=P.APP_SETTINGS),
    Item("Security", "/settings/security", "shield-lock", _SECURITY, unless=P.APP_SETTINGS),
    Item("Shipping the trail", "/settings/sinks", "arrow-right", _SECURITY, unless=P.APP_SETTINGS),
    Item("Operator access", "/settings/operator-access", "eye", _SECURITY),
)
OPERATOR_PAGES = (
    Item("Operator", "/operator", "building", frozenset({P.OPERATE})),
    Item("Platform log", "/operator/log", "history", frozenset({P.OPERATE})),
)


def menu(path: str, permissions: Collection[P], *, inside: bool = True) -> list[Item]:
    """Returns the entries for somebody with `permissions`, the one that `path` belongs to marked.

    `inside` is false for the operator's staff while no customer has let them in: they get their own pages alone.
    """
    held = set(permissions)
    shown = [item for item in PAGES if _is_shown(item, held)] if inside else []
    shown += [item for item in OPERATOR_PAGES if item.needs & held]
    current = max((item.url for item in shown if _belongs(path, item.url)), key=len, default="")
    return [replace(item, current=item.url == current) for item in shown]


def _is_shown(item: Item, held: set[P]) -> bool:
    return (not item.needs or bool(item.needs & held)) and item.unless not in held


def _belongs(path: str, url: str) -> bool:
    return path == url or (url != "/" and path.startswith(url + "/"))


ACCOUNT_MENU = (
    Item("Name and e-mail", "/account/profile", "user"),
    Item("Sign-in and factors", "/account/factors", "key"),
    Item("Your sessions", "/account/sessions", "device-desktop"),
    Item("Notices to you", "/account/notices", "mail"),
)
SIGN_OUT_URL = "/sign-out"
