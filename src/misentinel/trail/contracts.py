"""The trail's vocabulary and what its queries return."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID


class Tag(StrEnum):
    """What was done or seen: `noun:verb`. The values are stored and never change their meaning."""

    # customers and stores
    CUSTOMER_CREATE = "customer:create"
    CUSTOMER_LIST = "customer:list"
    CUSTOMER_SHOW = "customer:show"
    CUSTOMER_CLOSE = "customer:close"
    CUSTOMER_EDIT = "customer:edit"
    CUSTOMER_KEY_ROTATE = "customer_key:rotate"
    STORE_MIGRATE = "store:migrate"
    DATABASE_SESSION = "database:session"
    DATABASE_INTRUSION = "database:intrusion"
    DATABASE_REFUSE = "database:refuse"
    SERVICE_START = "service:start"
    SERVICE_STOP = "service:stop"
    SERVICE_VIEW = "service:view"
    SETTINGS_VIEW = "settings:view"
    SETTINGS_EDIT = "settings:edit"
    # who is let in
    ACCESS_REFUSE = "access:refuse"
    SIGN_IN_VIEW = "sign_in:view"
    SIGN_IN_PASSWORD = "sign_in:password"  # noqa: S105  a tag, not a password
    SIGN_IN_SUCCEED = "sign_in:succeed"
    SIGN_IN_FAIL = "sign_in:fail"
    SIGN_OUT = "sign_in:end"
    FACTOR_ENROL = "factor:enrol"
    FACTOR_VIEW = "factor:view"
    RECOVERY_CODES_VIEW = "recovery_codes:view"
    RECOVERY_CODE_USE = "recovery_code:use"
    ENROLMENT_VIEW = "enrolment:view"
    ENROLMENT_COMPLETE = "enrolment:complete"
    PASSWORD_CHANGE = "password:change"  # noqa: S105  a tag, not a password
    SESSION_LIST = "session:list"
    SESSION_REVOKE = "session:revoke"
    TEAMMATE_LIST = "teammate:list"
    TEAMMATE_VIEW = "teammate:view"
    TEAMMATE_INVITE = "teammate:invite"
    TEAMMATE_PERMIT = "teammate:permit"
    TEAMMATE_SUSPEND = "teammate:suspend"
    TEAMMATE_REINSTATE = "teammate:reinstate"
    TEAMMATE_EDIT = "teammate:edit"
    TEAMMATE_GRANT = "teammate:grant"
    TEAMMATE_GRANT_END = "teammate:grant_end"
    ROLE_LIST = "role:list"
    ROLE_VIEW = "role:view"
    ROLE_CREATE = "role:create"
    ROLE_EDIT = "role:edit"
    ROLE_DELETE = "role:delete"
    FACTOR_LIST = "factor:list"
    FACTOR_EDIT = "factor:edit"
    FACTOR_REMOVE = "factor:remove"
    RECOVERY_CODES_RENEW = "recovery_codes:renew"
    RECOVERY_ASK = "recovery:ask"
    RECOVERY_VIEW = "recovery:view"
    RECOVERY_APPROVE = "recovery:approve"
    RECOVERY_REFUSE = "recovery:refuse"
    RECOVERY_CANCEL = "recovery:cancel"
    RECOVERY_COMPLETE = "recovery:complete"
    PASSWORD_COMPROMISE = "password:compromise"  # noqa: S105  a tag, not a password
    BLOCKLIST_LOAD = "blocklist:load"
    BLOCKLIST_VIEW = "blocklist:view"
    EMAIL_CHANGE = "email:change"
    STEP_UP_VIEW = "step_up:view"
    STEP_UP_SUCCEED = "step_up:succeed"
    STEP_UP_FAIL = "step_up:fail"
    NOTICE_SEND = "notice:send"
    SSO_VIEW = "sso:view"
    SSO_EDIT = "sso:edit"
    SSO_DELETE = "sso:delete"
    SSO_BEGIN = "sso:begin"
    SSO_ANSWER = "sso:answer"
    SCIM_VIEW = "scim:view"
    SCIM_CHANGE = "scim:change"
    OPERATOR_LIST = "operator:list"
    OPERATOR_INVITE = "operator:invite"
    OPERATOR_SUSPEND = "operator:suspend"
    ACCESS_LIST = "operator_access:list"
    ACCESS_ASK = "operator_access:ask"
    ACCESS_GIVE = "operator_access:give"
    ACCESS_DECLINE = "operator_access:decline"
    ACCESS_ENTER = "operator_access:enter"
    ACCESS_LEAVE = "operator_access:leave"
    ACCESS_END = "operator_access:end"
    ACCESS_BREAK_GLASS = "operator_access:break_glass"
    CERTIFICATE_ISSUE = "certificate:issue"
    CERTIFICATE_REVOKE = "certificate:revoke"
    CERTIFICATE_LIST = "certificate:list"
    CREDENTIAL_ROTATE = "credential:rotate"
    CREDENTIAL_LIST = "credential:list"
    CREDENTIAL_CREATE = "credential:create"
    CREDENTIAL_REVOKE = "credential:revoke"
    # people and events
    PERSON_LIST = "person:list"
    PERSON_VIEW = "person:view"
    PERSON_CREATE = "person:create"
    PERSON_EDIT = "person:edit"
    PERSON_MERGE = "person:merge"
    EVENT_RECEIVE = "event:receive"
    CARD_REFUSE = "card:refuse"
    ATTRIBUTE_LIST = "attribute:list"
    ATTRIBUTE_DECLARE = "attribute:declare"
    # segments and messages
    SEGMENT_LIST = "segment:list"
    SEGMENT_VIEW = "segment:view"
    SEGMENT_PREVIEW = "segment:preview"
    SEGMENT_CREATE = "segment:create"
    SEGMENT_EDIT = "segment:edit"
    SEGMENT_DELETE = "segment:delete"
    MESSAGE_LIST = "message:list"
    MESSAGE_VIEW = "message:view"
    MESSAGE_PREVIEW = "message:preview"
    MESSAGE_REPORT = "message:report"
    MESSAGE_CREATE = "message:create"
    MESSAGE_EDIT = "message:edit"
    MESSAGE_DELETE = "message:delete"
    MESSAGE_SEND = "message:send"
    MESSAGE_GO_LIVE = "message:go_live"
    MESSAGE_PAUSE = "message:pause"
    DELIVERY_QUEUE = "delivery:queue"
    DELIVERY_ATTEMPT = "delivery:attempt"
    DELIVERY_DOUBT = "delivery:doubt"
    MAILBOX_LIST = "mailbox:list"
    MAILBOX_VIEW = "mailbox:view"
    UNSUBSCRIBE_VIEW = "unsubscribe:view"
    UNSUBSCRIBE = "unsubscribe:confirm"
    # the trail itself, and the rest of what is looked at
    CHECKPOINT_SIGN = "checkpoint:sign"
    CHECKPOINT_WITNESS = "checkpoint:witness"
    LOG_KEY_ROTATE = "log_key:rotate"
    LOG_PROVE = "log:prove"
    LOG_READ = "log:read"
    LOG_WITHHELD = "log:withheld"
    SINK_ADD = "sink:add"
    SINK_LIST = "sink:list"
    SINK_PAUSE = "sink:pause"
    SINK_RESUME = "sink:resume"
    SINK_REPLAY = "sink:replay"
    SINK_REMOVE = "sink:remove"
    SINK_FAIL = "sink:fail"
    SINK_RECOVER = "sink:recover"
    DEAD_LETTER_LIST = "dead_letter:list"
    DEAD_LETTER_KEEP = "dead_letter:keep"
    DEAD_LETTER_REPLAY = "dead_letter:replay"
    ARCHIVE_WRITE = "archive:write"
    ARCHIVE_LIST = "archive:list"
    ARCHIVE_VERIFY = "archive:verify"
    ARCHIVE_RESTORE = "archive:restore"
    ARCHIVE_TERMS = "archive:terms"
    ARCHIVE_HOLD = "archive:hold"
    ARCHIVE_RELEASE = "archive:release"
    ARCHIVE_PRUNE = "archive:prune"
    ARCHIVE_REMOVE = "archive:remove"
    TRAIL_QUERY = "trail:query"
    QUERY_LIST = "query:list"
    QUERY_SAVE = "query:save"
    QUERY_DELETE = "query:delete"
    TRAIL_LIST = "trail:list"
    TRAIL_VIEW = "trail:view"
    TRAIL_EXPORT = "trail:export"
    OVERVIEW_VIEW = "overview:view"
    API_DESCRIBE = "api:describe"
    PAGE_VIEW = "page:view"
    POLICY_REPORT = "policy:report"


class Outcome(StrEnum):
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class EntryView:
    """One entry. `before` and `after` are opened only by `get_entry`; None also where the person was erased."""

    id: UUID
    at: datetime
    tag: str
    outcome: str
    actor_kind: str
    actor_id: str
    credential: str
    address: str
    object_kind: str
    object_id: str
    person_id: UUID | None
    request_id: str
    details: dict[str, Any]
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    sealed_unreadable: bool = False
    customer_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Which entries are wanted; an empty field does not filter. `since` is inclusive, `until` exclusive; `access` is
    the id of an operator's access, and wants whatever was done by it and to it.

    A `tag` that ends in a colon wants every tag of that noun: "person:". `seen_person` wants the looks by which that
    person's data was shown, on a page of their own or in a list.
    """

    tag: str = ""
    outcome: str = ""
    actor_kind: str = ""
    actor_id: str = ""
    object_kind: str = ""
    object_id: str = ""
    person_id: UUID | None = None
    seen_person: UUID | None = None
    request_id: str = ""
    customer_id: UUID | None = None
    access: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Entries, newest first. `next` continues with `after=next`; None at the end."""

    entries: list[EntryView] = field(default_factory=list)
    next: UUID | None = None


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody who saw a person's data, and how often between the `first` time and the `last`."""

    actor_kind: str
    actor_id: str
    looks: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class Log:
    """One verifiable log: a customer's trail, or the operator's platform log (`customer_id` None).

    `origin` names it for ever, wherever it is served; `alias` names its database to Django.
    """

    origin: str
    alias: str
    customer_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class LogState:
    """How far a log is sealed: `waiting` entries have no place in it yet. `keys` verify it, the newest first."""

    origin: str
    keys: list[str]
    waiting: int
    size: int = 0
    checkpoint: str = ""
    signed_at: datetime | None = None
