"""What each notice says: one table, plain text, no secret, nothing personal but device, place, time and address.

Facts are words for the reader; `link` is a path of ours. Each kind names the facts that it needs, and a notice with
one too few or too many is a defect that raises.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from misentinel.teammates.contracts import Notice as N

LINK = "{link}"
FACTOR_NAMES = {"totp": "Authenticator app", "passkey": "Passkey"}
PURPOSE = "notice"  # what the vault seals notices for
_LABELS = {
    "device": "Device", "place": "Place", "address": "Address", "factor": "Factor", "left": "Codes left",
    "key": "Key", "reason": "Reason", "until": "Until", "opens": "Opens", "expires": "Expires",
}  # fmt: skip
_NOT_YOU = "If it was not you, change your password at once and tell whoever manages your teammates."
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_LONGEST_FACT = 200


@dataclass(frozen=True, slots=True)
class Text:
    """A subject, what happened, the facts that are shown, and what to do. `{link}` stands for the link."""

    subject: str
    happened: str
    facts: tuple[str, ...] = ()
    do: str = ""

    @property
    def needed(self) -> frozenset[str]:
        return frozenset(self.facts) | ({"link"} if LINK in self.do else frozenset())


TEXTS: Mapping[N, Text] = {
    N.NEW_DEVICE: Text(
        "Signed in on a new device",
        "Your account was signed in to on a device that it was not used on before.",
        ("device", "place", "address"),
        f"If it was not you, end that session at {LINK} and change your password. Then tell whoever manages your "
        "teammates.",
    ),
    N.FACTOR_ADDED: Text(
        "A second factor was added", "A second factor was added to your account.", ("factor", "address"), _NOT_YOU
    ),
    N.FACTOR_REMOVED: Text(
        "A second factor was removed", "A second factor was removed from your account.", ("factor", "address"), _NOT_YOU
    ),
    N.RECOVERY_CODES_RENEWED: Text(
        "Your recovery codes were renewed",
        "New recovery codes were made for your account. The earlier ones no longer work.",
        ("address",),
        _NOT_YOU,
    ),
    N.RECOVERY_CODE_USED: Text(
        "A recovery code was used",
        "One of your recovery codes was used to sign in.",
        ("device", "address", "left"),
        f"{_NOT_YOU} If few codes are left, make new ones.",
    ),
    N.PASSWORD_CHANGED: Text("Your password was changed", "Your password was changed.", ("address",), _NOT_YOU),
    N.EMAIL_CONFIRM: Text(
        "Confirm your new e-mail address",
        "Somebody who is signed in to MiSentinel wants to use this address as theirs.",
        (),
        f"If it was you, open {LINK} within an hour to confirm it. If it was not, there is nothing to do: without "
        "this link nothing changes.",
    ),
    N.EMAIL_CHANGED: Text(
        "Your e-mail address was changed",
        "Your account now signs in with another e-mail address. For seven days this can be taken back.",
        ("address",),
        f"If it was not you, open {LINK} to take it back: your earlier address returns and every session ends.",
    ),
    N.EMAIL_SET: Text(
        "This address now signs in to MiSentinel",
        "This address was confirmed, and from now on it signs in to a MiSentinel account.",
        (),
        "If it was not you, tell whoever manages your teammates.",
    ),
    N.EMAIL_DIRECTORY: Text(
        "Your company changed your e-mail address",
        "Your company's directory changed the e-mail address of your account. This one no longer signs in, and every "
        "session has ended.",
        (),
        "If you did not expect it, tell whoever manages your teammates.",
    ),
    N.PERMISSIONS_CHANGED: Text(
        "What you may do was changed",
        "Somebody who manages teammates changed what you may do. It holds from now on.",
        (),
        "If you did not expect it, ask whoever manages your teammates.",
    ),
    N.RECOVERY_ASKED: Text(
        "Somebody asked for a new way into your account",
        "Somebody who says they lost their second factor asked for a new way into your account.",
        ("device", "address"),
        f"If it was not you, stop it at {LINK} and tell whoever manages your teammates.",
    ),
    N.RECOVERY_WAITS: Text(
        "A teammate asks for a new way in",
        "A teammate says they lost their second factor and asks to be let in again. It takes your word.",
        (),
        f"Speak with them in person or by telephone first, then decide at {LINK}. Whoever asks may be an impostor.",
    ),
    N.RECOVERY_APPROVED: Text(
        "A new way into your account was approved",
        "A teammate approved a new way into your account. It opens after the waiting time.",
        ("until",),
        f"If it was not you who asked, stop it at {LINK} and tell whoever manages your teammates.",
    ),
    N.RECOVERY_GIVEN: Text(
        "You approved a new way into a teammate's account",
        "A new way into a teammate's account was approved in your name. It opens after the waiting time.",
        ("until",),
        f"If it was not you, stop it at {LINK} and change your password at once.",
    ),
    N.RECOVERY_REFUSED: Text(
        "A new way into your account was refused",
        "The request for a new way into your account was refused or stopped.",
        (),
        "If it was you who asked, speak with whoever manages your teammates.",
    ),
    N.LINK_MADE: Text(
        "Somebody made a link into your account",
        "Somebody who manages teammates made a link that replaces your password and second factors. It opens after a "
        "waiting time.",
        ("opens",),
        "If you did not ask for it, sign out and sign in again before then, which ends the link, and tell somebody "
        "else who manages your teammates.",
    ),
    N.LINK_GIVEN: Text(
        "You made a link into a teammate's account",
        "A link that was made in your name replaces a teammate's password and second factors. It opens after a waiting "
        "time.",
        ("opens",),
        _NOT_YOU,
    ),
    N.KEY_EXPIRES: Text(
        "A key is about to expire",
        "A key that programs use stops working soon.",
        ("key", "expires"),
        f"Make another at {LINK} and put it in its place before then; rotating a key does not make it last longer.",
    ),
    N.OPERATOR_ASKS: Text(
        "The operator's staff ask to be let in",
        "The staff who run this installation ask to see your data. They see nothing unless you let them.",
        ("reason",),
        f"Decide at {LINK}.",
    ),
    N.OPERATOR_ENTERED: Text(
        "The operator's staff were let in",
        "The staff who run this installation now see the part of your data that you let them see.",
        ("reason", "until"),
        f"See what they do, and end it with one click, at {LINK}.",
    ),
    N.BREAK_GLASS: Text(
        "The operator's staff broke the glass",
        "Two of the staff who run this installation let themselves in without being asked, for an emergency.",
        ("reason", "until"),
        f"See what they do, and end it with one click, at {LINK}.",
    ),
}


def compose(kind: N, at: str, customer: str, facts: Mapping[str, object]) -> tuple[str, str]:
    """Returns subject and text, `{link}` still in place. Raises `TypeError` for missing or unknown facts."""
    text = TEXTS[kind]
    if text.needed != set(facts):
        raise TypeError(f"A notice {kind.value} needs the facts {sorted(text.needed)}, not {sorted(facts)}.")
    lines = [f"  When: {at}", *(f"  {_LABELS[name]}: {_shown(facts[name])}" for name in text.facts)]
    body = [
        "Hello,", "", text.happened, "", *lines, "", text.do, "",
        f"You get this because it concerns your MiSentinel account at {_shown(customer)}. "
        "Such notices cannot be switched off.",
    ]  # fmt: skip
    return text.subject, "\n".join(body) + "\n"


def _shown(fact: object) -> str:
    """A fact on one line. Braces could stand for our link, so they go as well."""
    return _INVISIBLE.sub(" ", str(fact)).replace("{", "(").replace("}", ")")[:_LONGEST_FACT]
