"""What other domains may know about teammates: permissions, and who stands behind a request.

A permission is one thing that can be given or withheld. Those outside `GRANTABLE` look like permissions so that
every route can name one, and follow from what somebody is: nobody can hand them out.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from misentinel.kernel.actor import OPERATOR_ID, ActorKind
from misentinel.teammates.contracts.factors import Factors as Factors
from misentinel.teammates.contracts.factors import PasskeyView as PasskeyView
from misentinel.teammates.contracts.factors import Proof as Proof
from misentinel.teammates.contracts.factors import RecoveryView as RecoveryView


class Permission(StrEnum):
    """What a route needs. `without` says what its absence means, in words for an administrator."""

    APP_SETTINGS = "app-settings"
    SECURITY_SETTINGS = "security-settings"
    MESSENGER = "messenger"
    BILLING = "billing"
    OUTBOUND_SETTINGS = "outbound-settings"
    USER_DATA = "user-data"
    EXPORT = "export"
    APPS_AND_API = "apps-and-api"
    SEND_TO_MANY = "send-to-many"
    MANUAL_MESSAGES_SEND = "manual-messages-send"
    MANUAL_MESSAGES_EDIT = "manual-messages-edit"
    AUTO_MESSAGES_SEND = "auto-messages-send"
    AUTO_MESSAGES_EDIT = "auto-messages-edit"
    DELETE_REPLIES = "delete-replies"
    REASSIGN = "reassign"
    REPORTS = "reports"
    TEAMMATES = "teammates"
    TRAIL = "trail"
    WRITE_EVENTS = "write-events"
    PROVISION = "provision"
    SIGNED_IN = "signed-in"
    OPERATE = "operate"
    PUBLIC = "public"

    @property
    def title(self) -> str:  # type: ignore[override]  # a heading, not str.title
        return _TEXTS[self][0]

    @property
    def without(self) -> str:
        return _TEXTS[self][1]


_TEXTS = {
    Permission.APP_SETTINGS: (
        "General settings",
        "Without this, a teammate cannot see or change the customer's name, time zone and attributes.",
    ),
    Permission.SECURITY_SETTINGS: (
        "Security settings",
        "Without this, a teammate cannot set up single sign-on, provisioning or shipping the trail, say how long "
        "sessions last, or let the operator's staff in.",
    ),
    Permission.MESSENGER: (
        "Messenger",
        "Without this, a teammate cannot change how the messenger looks and where it appears.",
    ),
    Permission.BILLING: (
        "Billing",
        "Without this, a teammate cannot see invoices or usage, nor change the plan.",
    ),
    Permission.OUTBOUND_SETTINGS: (
        "Outbound settings",
        "Without this, a teammate cannot change senders, sending domains or subscription types.",
    ),
    Permission.USER_DATA: (
        "User data",
        "Without this, a teammate cannot see, search or change people, their events or their segments.",
    ),
    Permission.EXPORT: ("Export", "Without this, a teammate cannot take data out of MiSentinel as a file."),
    Permission.APPS_AND_API: (
        "Apps and API",
        "Without this, a teammate cannot create, see, rotate or revoke the keys that programs show.",
    ),
    Permission.SEND_TO_MANY: (
        "Send to more than one person",
        "Without this, a teammate cannot send a manual message to more than one person at once.",
    ),
    Permission.MANUAL_MESSAGES_SEND: (
        "Send manual messages",
        "Without this, a teammate cannot send a manual message to anybody.",
    ),
    Permission.MANUAL_MESSAGES_EDIT: (
        "Edit manual messages",
        "Without this, a teammate cannot create, change or delete a manual message.",
    ),
    Permission.AUTO_MESSAGES_SEND: (
        "Set auto messages live",
        "Without this, a teammate cannot set an auto message live, pause it, or change one that is live.",
    ),
    Permission.AUTO_MESSAGES_EDIT: (
        "Edit auto messages",
        "Without this, a teammate cannot create, change or delete an auto message.",
    ),
    Permission.DELETE_REPLIES: (
        "Delete replies",
        "Without this, a teammate cannot delete a reply from a conversation.",
    ),
    Permission.REASSIGN: (
        "Reassign conversations",
        "Without this, a teammate cannot give a conversation to somebody else.",
    ),
    Permission.REPORTS: (
        "Reports",
        "Without this, a teammate cannot see who got a message, nor the figures of any message.",
    ),
    Permission.TEAMMATES: (
        "Teammates and permissions",
        "Without this, a teammate cannot invite or suspend teammates, change roles and permissions or end sessions.",
    ),
    Permission.TRAIL: ("Activity log", "Without this, a teammate cannot read the trail of who did what."),
    Permission.WRITE_EVENTS: (
        "Write events",
        "Without this, a key cannot send people and events. Write keys hold it, and nothing else.",
    ),
    Permission.PROVISION: (
        "Provision teammates",
        "Without this, a key cannot create or suspend teammates over SCIM. Provisioning keys hold it, nothing else.",
    ),
    Permission.SIGNED_IN: (
        "Signed in",
        "Without this, nobody can open the console. Signing in with both factors gives it, nothing else.",
    ),
    Permission.OPERATE: (
        "Operate",
        "Without this, nobody can ask a customer to be let in. The operator's own staff hold it, nobody else.",
    ),
    Permission.PUBLIC: (
        "Public",
        "Nobody is without this: the route is open to everyone and shows nothing personal.",
    ),
}

_FIXED = {
    Permission.WRITE_EVENTS, Permission.PROVISION, Permission.SIGNED_IN, Permission.OPERATE, Permission.PUBLIC
}  # fmt: skip

GRANTABLE = frozenset(Permission) - _FIXED
"""What a teammate or an API token can hold. The others follow from what somebody or something is."""

LETTABLE = GRANTABLE - {
    Permission.TEAMMATES, Permission.SECURITY_SETTINGS, Permission.APPS_AND_API, Permission.EXPORT
}  # fmt: skip
"""What a customer can let the operator's staff do. Whoever holds one of the rest could make their access outlast its
end: through another account, a key, another way to sign in, or a file."""

EMERGENCY = frozenset({Permission.TRAIL, Permission.REPORTS, Permission.USER_DATA})
"""What an emergency opens, to look only: what happened, and to whom."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks, as this very request found them in the database: never cached from an earlier one.

    `usable` is false for whoever may do nothing at all: suspended, not enrolled, without a second factor,
    expired, revoked. `why_not` then says which, for the trail and never for the caller. `proved_at` is when a factor
    was last shown in this session. `turn` is the one that the browser's cookie must be of from now on.

    The operator's staff have a customer only while they are inside by the `access` that it gave. `told_to` is the
    customer whose access they sit in though it is over: nothing of theirs opens, and their trail hears of every try.
    """

    kind: ActorKind
    id: str = ""
    customer_id: UUID | None = None
    permissions: frozenset[Permission] = field(default_factory=frozenset)
    usable: bool = True
    why_not: str = ""
    credential: str = ""
    proved_at: datetime | None = None
    turn: int = 0
    read_only: bool = False
    """A key, or an operator, that may only look: whatever else is held, nothing but GET is done with it."""
    access: str = ""
    told_to: UUID | None = None

    @property
    def employer_id(self) -> UUID | None:
        """Whose staff this is, wherever they are: for what concerns their own account."""
        return OPERATOR_ID if self.kind is ActorKind.OPERATOR else self.customer_id


ANONYMOUS = Principal(ActorKind.ANONYMOUS)


@dataclass(frozen=True, slots=True)
class RoleView:
    """A named set of permissions. `id` is the key of a shipped role, or the id of a customer's own as text."""

    id: str
    title: str
    about: str
    permissions: frozenset[Permission]
    shipped: bool = False
    holders: int = 0


@dataclass(frozen=True, slots=True)
class GrantView:
    """One permission that a teammate holds until `expires_at`, and why."""

    id: UUID
    permission: Permission
    reason: str
    given_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class TeammateView:
    """A teammate as lists and editors show one. `permissions` is everything that counts now: the role's, `single`
    ones and those of `grants`.
    """

    id: UUID
    customer_id: UUID
    email: str
    name: str
    permissions: frozenset[Permission]
    enrolled_at: datetime | None
    suspended_at: datetime | None
    last_seen_at: datetime | None = None
    role: RoleView | None = None
    single: frozenset[Permission] = field(default_factory=frozenset)
    grants: tuple[GrantView, ...] = ()

    @property
    def for_good(self) -> frozenset[Permission]:
        """What no passing of time takes away; only this can be handed on."""
        return self.single | (self.role.permissions if self.role else frozenset())


@dataclass(frozen=True, slots=True)
class Session:
    """One signed-in browser. `device` is a short reading of the user agent, for recognising one's own."""

    id: UUID
    teammate_id: UUID
    device: str
    address: str
    started_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    place: str = ""


@dataclass(frozen=True, slots=True)
class DeviceView:
    """A browser that one has signed in with and that is known again."""

    id: UUID
    label: str
    first_seen_at: datetime
    last_seen_at: datetime


@dataclass(frozen=True, slots=True)
class EmailChangeView:
    """A change of address as the holder of one of its links sees it."""

    teammate_id: UUID
    customer_id: UUID
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Lasting:
    """How long a session lasts without use, and in any case."""

    idle: timedelta
    absolute: timedelta


class Notice(StrEnum):
    """What a teammate is told by e-mail about their own account. `notice_texts` says it in words."""

    NEW_DEVICE = "new_device"
    FACTOR_ADDED = "factor_added"
    FACTOR_REMOVED = "factor_removed"
    RECOVERY_CODES_RENEWED = "recovery_codes_renewed"
    RECOVERY_CODE_USED = "recovery_code_used"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105  a notice, not a password
    EMAIL_CONFIRM = "email_confirm"
    EMAIL_CHANGED = "email_changed"
    EMAIL_SET = "email_set"
    EMAIL_DIRECTORY = "email_directory"
    PERMISSIONS_CHANGED = "permissions_changed"
    RECOVERY_ASKED = "recovery_asked"
    RECOVERY_WAITS = "recovery_waits"
    RECOVERY_APPROVED = "recovery_approved"
    RECOVERY_GIVEN = "recovery_given"
    RECOVERY_REFUSED = "recovery_refused"
    LINK_MADE = "link_made"
    LINK_GIVEN = "link_given"
    KEY_EXPIRES = "key_expires"
    OPERATOR_ASKS = "operator_asks"
    OPERATOR_ENTERED = "operator_entered"
    BREAK_GLASS = "break_glass"


@dataclass(frozen=True, slots=True)
class NoticeView:
    """A notice as its recipient sees it. `link` is empty where only the e-mail may show it."""

    id: UUID
    kind: Notice
    subject: str
    text: str
    link: str
    at: datetime
    sent_at: datetime | None
    given_up_at: datetime | None


class CredentialKind(StrEnum):
    """Keys for programs: a write key sends events and reads nothing; an API token holds what it was given; a
    provisioning key speaks for a company's directory over SCIM and holds nothing else.
    """

    WRITE_KEY = "write_key"
    PROVISIONING_KEY = "provisioning"
    API_TOKEN = "api_token"  # noqa: S105 - a kind, not a secret


@dataclass(frozen=True, slots=True)
class CredentialView:
    """A key as lists show it: `hint` is its prefix and last four characters, never the secret.

    `last_used_from` is a network, not an address. The `earlier_…` fields tell of the secret that a rotation replaced;
    `signing_key` is the SHA-256 of the public key that must sign its requests, in hex, or empty.
    """

    id: UUID
    customer_id: UUID
    kind: CredentialKind
    name: str
    hint: str
    permissions: frozenset[Permission]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None
    last_used_from: str = ""
    read_only: bool = False
    earlier_hint: str = ""
    earlier_until: datetime | None = None
    earlier_used_at: datetime | None = None
    signing_key: str = ""


@dataclass(frozen=True, slots=True)
class EnrolmentView:
    """An enrolment link that is still open, as its holder sees it."""

    id: UUID
    teammate_id: UUID
    customer_id: UUID
    email: str
    name: str


@dataclass(frozen=True, slots=True)
class Enrolled:
    """The end of an enrolment: the recovery codes in clear, readable only in this answer."""

    teammate_id: UUID
    recovery_codes: list[str]


@dataclass(frozen=True, slots=True)
class OneTimeLink:
    """An enrolment link, readable only in the answer that created it. `opens_at` is None where it opens at once."""

    teammate_id: UUID
    path: str
    expires_at: datetime
    opens_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class NewCredential:
    """A key with its secret, readable only in the answer that created it."""

    view: CredentialView
    secret: str
