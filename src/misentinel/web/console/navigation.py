"""The sidebar: which pages there are, in which order, and for whom."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from misentinel.teammates.contracts import Permission as P


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of a menu, shown to whoever holds any of `needs`; without them, to everyone signed in."""

    label: str
    url: str
    icon: str
    needs: frozenset[P] = frozenset()
    current: bool = False


PAGES = (
    Item("Overview", "/", "layout-dashboard"),
    Item("People", "/people", "users", frozenset({P.USER_DATA})),
    Item("Segments", "/segments", "chart-pie", frozenset({P.USER_DATA})),
    Item("Messages", "/messages", "send"),
    Item("Mailbox", "/mailbox", "inbox", frozenset({P.USER_DATA})),
    Item("Trail", "/trail", "history", frozenset({P.TRAIL})),
    Item("Teammates", "/teammates", "user-shield", frozenset({P.TEAMMATES})),
    Item("Settings", "/settings", "settings", frozenset({P.APP_SETTINGS})),
)


def menu(path: str, permissions: Collection[P]) -> list[Item]:
    """Returns the entries for somebody with `permissions`, the one that `path` belongs to marked."""
    shown = [item for item in PAGES if not item.needs or item.needs & set(permissions)]
    return [Item(item.label, item.url, item.icon, item.needs, current=_belongs(path, item.url)) for item in shown]


def _belongs(path: str, url: str) -> bool:
    return path == url or (url != "/" and path.startswith(url + "/"))


ACCOUNT_MENU = (
    Item("Name and e-mail", "/account/profile", "user"),
    Item("Sign-in and factors", "/account/factors", "key"),
    Item("Your sessions", "/account/sessions", "device-desktop"),
    Item("Notices to you", "/account/notices", "mail"),
)
SIGN_OUT_URL = "/sign-out"
