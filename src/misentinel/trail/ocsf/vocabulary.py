"""What each tag is in OCSF 1.8: its class, its activity, and how grave it is. Data alone; a tag without its line fails
a test, as does a class or an activity that the compiled schema does not have.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from misentinel.trail.contracts import Tag

VERSION = "1.8.0"


class Severity(IntEnum):
    """`severity_id` of every OCSF class."""

    INFORMATIONAL = 1
    LOW = 2
    MEDIUM = 3
    HIGH = 4


@dataclass(frozen=True, slots=True)
class EventClass:
    """A class of OCSF with those of its activities that are used here, by their captions."""

    uid: int
    name: str
    activities: dict[str, int]

    @property
    def category_uid(self) -> int:
        return self.uid // 1000


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a tag is. `activity` is one of its class's; an entry that was refused or failed is never below LOW."""

    event_class: EventClass
    activity: str
    severity: Severity = Severity.INFORMATIONAL

    @property
    def activity_id(self) -> int:
        return self.event_class.activities[self.activity]


CATEGORIES = {2: "Findings", 3: "Identity & Access Management", 6: "Application Activity"}

FINDING = EventClass(2004, "Detection Finding", {"Create": 1, "Close": 3})
ACCOUNT = EventClass(
    3001,
    "Account Change",
    {
        "Create": 1, "Enable": 2, "Password Change": 3, "Password Reset": 4, "Disable": 5, "MFA Factor Enable": 10,
        "MFA Factor Disable": 11, "Other": 99,
    },
)  # fmt: skip
AUTHENTICATION = EventClass(
    3002, "Authentication", {"Logon": 1, "Logoff": 2, "Preauth": 6, "Account Switch": 7, "Other": 99}
)
ENTITY = EventClass(
    3004,
    "Entity Management",
    {"Create": 1, "Read": 2, "Update": 3, "Delete": 4, "Activate": 10, "Suspend": 12, "Resume": 13, "Other": 99},
)
RIGHTS = EventClass(3005, "User Access Management", {"Assign Privileges": 1, "Revoke Privileges": 2, "Other": 99})
WEB = EventClass(6001, "Web Resources Activity", {"Create": 1, "Read": 2, "Search": 5, "Export": 7, "Other": 99})
LIFECYCLE = EventClass(6002, "Application Lifecycle", {"Start": 3, "Stop": 4, "Update": 8, "Other": 99})
API = EventClass(6003, "API Activity", {"Create": 1, "Read": 2, "Update": 3, "Delete": 4, "Other": 99})
DATA = EventClass(
    6005,
    "Datastore Activity",
    {
        "Read": 1, "Update": 2, "Connect": 3, "Query": 4, "Write": 5, "Create": 6, "Delete": 7, "List": 8, "Other": 99,
    },
)  # fmt: skip

CLASSES = (FINDING, ACCOUNT, AUTHENTICATION, ENTITY, RIGHTS, WEB, LIFECYCLE, API, DATA)

MEANINGS: dict[Tag, Meaning] = {
    # customers and stores
    Tag.CUSTOMER_CREATE: Meaning(ENTITY, "Create"),
    Tag.CUSTOMER_LIST: Meaning(ENTITY, "Read"),
    Tag.CUSTOMER_SHOW: Meaning(ENTITY, "Read"),
    Tag.CUSTOMER_CLOSE: Meaning(ENTITY, "Delete"),
    Tag.CUSTOMER_EDIT: Meaning(ENTITY, "Update"),
    Tag.CUSTOMER_KEY_ROTATE: Meaning(ENTITY, "Update"),
    Tag.STORE_MIGRATE: Meaning(LIFECYCLE, "Update"),
    Tag.DATABASE_SESSION: Meaning(DATA, "Connect"),
    Tag.DATABASE_INTRUSION: Meaning(DATA, "Connect", Severity.HIGH),
    Tag.DATABASE_REFUSE: Meaning(DATA, "Connect", Severity.MEDIUM),
    Tag.SERVICE_START: Meaning(LIFECYCLE, "Start"),
    Tag.SERVICE_STOP: Meaning(LIFECYCLE, "Stop"),
    Tag.SERVICE_VIEW: Meaning(WEB, "Read"),
    Tag.SETTINGS_VIEW: Meaning(WEB, "Read"),
    Tag.SETTINGS_EDIT: Meaning(LIFECYCLE, "Update"),
    # who is let in
    Tag.ACCESS_REFUSE: Meaning(API, "Other", Severity.LOW),
    Tag.SIGN_IN_VIEW: Meaning(WEB, "Read"),
    Tag.SIGN_IN_PASSWORD: Meaning(AUTHENTICATION, "Preauth"),
    Tag.SIGN_IN_SUCCEED: Meaning(AUTHENTICATION, "Logon"),
    Tag.SIGN_IN_FAIL: Meaning(AUTHENTICATION, "Logon", Severity.LOW),
    Tag.SIGN_OUT: Meaning(AUTHENTICATION, "Logoff"),
    Tag.FACTOR_ENROL: Meaning(ACCOUNT, "MFA Factor Enable"),
    Tag.FACTOR_VIEW: Meaning(WEB, "Read"),
    Tag.RECOVERY_CODES_VIEW: Meaning(WEB, "Read"),
    Tag.RECOVERY_CODE_USE: Meaning(AUTHENTICATION, "Preauth"),
    Tag.ENROLMENT_VIEW: Meaning(WEB, "Read"),
    Tag.ENROLMENT_COMPLETE: Meaning(ACCOUNT, "Enable"),
    Tag.PASSWORD_CHANGE: Meaning(ACCOUNT, "Password Change"),
    Tag.SESSION_LIST: Meaning(WEB, "Read"),
    Tag.SESSION_REVOKE: Meaning(AUTHENTICATION, "Logoff"),
    Tag.TEAMMATE_LIST: Meaning(ENTITY, "Read"),
    Tag.TEAMMATE_VIEW: Meaning(ENTITY, "Read"),
    Tag.TEAMMATE_INVITE: Meaning(ACCOUNT, "Create"),
    Tag.TEAMMATE_PERMIT: Meaning(RIGHTS, "Assign Privileges"),
    Tag.TEAMMATE_SUSPEND: Meaning(ACCOUNT, "Disable"),
    Tag.TEAMMATE_REINSTATE: Meaning(ACCOUNT, "Enable"),
    Tag.TEAMMATE_EDIT: Meaning(ACCOUNT, "Other"),
    Tag.TEAMMATE_GRANT: Meaning(RIGHTS, "Assign Privileges"),
    Tag.TEAMMATE_GRANT_END: Meaning(RIGHTS, "Revoke Privileges"),
    Tag.ROLE_LIST: Meaning(ENTITY, "Read"),
    Tag.ROLE_VIEW: Meaning(ENTITY, "Read"),
    Tag.ROLE_CREATE: Meaning(ENTITY, "Create"),
    Tag.ROLE_EDIT: Meaning(ENTITY, "Update"),
    Tag.ROLE_DELETE: Meaning(ENTITY, "Delete"),
    Tag.FACTOR_LIST: Meaning(WEB, "Read"),
    Tag.FACTOR_EDIT: Meaning(ACCOUNT, "Other"),
    Tag.FACTOR_REMOVE: Meaning(ACCOUNT, "MFA Factor Disable"),
    Tag.RECOVERY_CODES_RENEW: Meaning(ACCOUNT, "MFA Factor Enable"),
    Tag.RECOVERY_ASK: Meaning(ACCOUNT, "Other"),
    Tag.RECOVERY_VIEW: Meaning(WEB, "Read"),
    Tag.RECOVERY_APPROVE: Meaning(ACCOUNT, "Other"),
    Tag.RECOVERY_REFUSE: Meaning(ACCOUNT, "Other"),
    Tag.RECOVERY_CANCEL: Meaning(ACCOUNT, "Other"),
    Tag.RECOVERY_COMPLETE: Meaning(ACCOUNT, "Password Reset"),
    Tag.PASSWORD_COMPROMISE: Meaning(FINDING, "Create", Severity.HIGH),
    Tag.BLOCKLIST_LOAD: Meaning(ENTITY, "Update"),
    Tag.BLOCKLIST_VIEW: Meaning(WEB, "Read"),
    Tag.EMAIL_CHANGE: Meaning(ACCOUNT, "Other"),
    Tag.STEP_UP_VIEW: Meaning(WEB, "Read"),
    Tag.STEP_UP_SUCCEED: Meaning(AUTHENTICATION, "Preauth"),
    Tag.STEP_UP_FAIL: Meaning(AUTHENTICATION, "Preauth", Severity.LOW),
    Tag.NOTICE_SEND: Meaning(API, "Other"),
    Tag.SSO_VIEW: Meaning(WEB, "Read"),
    Tag.SSO_EDIT: Meaning(ENTITY, "Update"),
    Tag.SSO_DELETE: Meaning(ENTITY, "Delete"),
    Tag.SSO_BEGIN: Meaning(AUTHENTICATION, "Preauth"),
    Tag.SSO_ANSWER: Meaning(AUTHENTICATION, "Preauth"),
    Tag.SCIM_VIEW: Meaning(API, "Read"),
    Tag.SCIM_CHANGE: Meaning(ACCOUNT, "Other"),
    Tag.OPERATOR_LIST: Meaning(ENTITY, "Read"),
    Tag.OPERATOR_INVITE: Meaning(ACCOUNT, "Create"),
    Tag.OPERATOR_SUSPEND: Meaning(ACCOUNT, "Disable"),
    Tag.ACCESS_LIST: Meaning(ENTITY, "Read"),
    Tag.ACCESS_ASK: Meaning(RIGHTS, "Other"),
    Tag.ACCESS_GIVE: Meaning(RIGHTS, "Assign Privileges"),
    Tag.ACCESS_DECLINE: Meaning(RIGHTS, "Other"),
    Tag.ACCESS_ENTER: Meaning(AUTHENTICATION, "Account Switch"),
    Tag.ACCESS_LEAVE: Meaning(AUTHENTICATION, "Logoff"),
    Tag.ACCESS_END: Meaning(RIGHTS, "Revoke Privileges"),
    Tag.ACCESS_BREAK_GLASS: Meaning(RIGHTS, "Assign Privileges", Severity.HIGH),
    Tag.CERTIFICATE_ISSUE: Meaning(ENTITY, "Create"),
    Tag.CERTIFICATE_REVOKE: Meaning(ENTITY, "Delete"),
    Tag.CERTIFICATE_LIST: Meaning(ENTITY, "Read"),
    Tag.CREDENTIAL_ROTATE: Meaning(ENTITY, "Update"),
    Tag.CREDENTIAL_LIST: Meaning(ENTITY, "Read"),
    Tag.CREDENTIAL_CREATE: Meaning(ENTITY, "Create"),
    Tag.CREDENTIAL_REVOKE: Meaning(ENTITY, "Delete"),
    # people and events
    Tag.PERSON_LIST: Meaning(DATA, "List"),
    Tag.PERSON_VIEW: Meaning(DATA, "Read"),
    Tag.PERSON_CREATE: Meaning(DATA, "Create"),
    Tag.PERSON_EDIT: Meaning(DATA, "Update"),
    Tag.PERSON_MERGE: Meaning(DATA, "Update"),
    Tag.EVENT_RECEIVE: Meaning(DATA, "Write"),
    Tag.CARD_REFUSE: Meaning(FINDING, "Create", Severity.MEDIUM),
    Tag.ATTRIBUTE_LIST: Meaning(ENTITY, "Read"),
    Tag.ATTRIBUTE_DECLARE: Meaning(ENTITY, "Create"),
    # segments and messages
    Tag.SEGMENT_LIST: Meaning(ENTITY, "Read"),
    Tag.SEGMENT_VIEW: Meaning(ENTITY, "Read"),
    Tag.SEGMENT_PREVIEW: Meaning(API, "Read"),
    Tag.SEGMENT_CREATE: Meaning(ENTITY, "Create"),
    Tag.SEGMENT_EDIT: Meaning(ENTITY, "Update"),
    Tag.SEGMENT_DELETE: Meaning(ENTITY, "Delete"),
    Tag.MESSAGE_LIST: Meaning(ENTITY, "Read"),
    Tag.MESSAGE_VIEW: Meaning(ENTITY, "Read"),
    Tag.MESSAGE_PREVIEW: Meaning(API, "Read"),
    Tag.MESSAGE_REPORT: Meaning(API, "Read"),
    Tag.MESSAGE_CREATE: Meaning(ENTITY, "Create"),
    Tag.MESSAGE_EDIT: Meaning(ENTITY, "Update"),
    Tag.MESSAGE_DELETE: Meaning(ENTITY, "Delete"),
    Tag.MESSAGE_SEND: Meaning(API, "Other"),
    Tag.MESSAGE_GO_LIVE: Meaning(ENTITY, "Activate"),
    Tag.MESSAGE_PAUSE: Meaning(ENTITY, "Suspend"),
    Tag.DELIVERY_QUEUE: Meaning(API, "Other"),
    Tag.DELIVERY_ATTEMPT: Meaning(API, "Other"),
    Tag.DELIVERY_DOUBT: Meaning(API, "Other"),
    Tag.MAILBOX_LIST: Meaning(API, "Read"),
    Tag.MAILBOX_VIEW: Meaning(API, "Read"),
    Tag.UNSUBSCRIBE_VIEW: Meaning(WEB, "Read"),
    Tag.UNSUBSCRIBE: Meaning(API, "Other"),
    # the trail itself, and the rest of what is looked at
    Tag.CHECKPOINT_SIGN: Meaning(ENTITY, "Create"),
    Tag.CHECKPOINT_WITNESS: Meaning(ENTITY, "Update"),
    Tag.LOG_KEY_ROTATE: Meaning(ENTITY, "Update"),
    Tag.LOG_PROVE: Meaning(DATA, "Read"),
    Tag.LOG_READ: Meaning(DATA, "Read"),
    Tag.LOG_WITHHELD: Meaning(DATA, "Delete", Severity.HIGH),
    Tag.SINK_ADD: Meaning(ENTITY, "Create"),
    Tag.SINK_LIST: Meaning(ENTITY, "Read"),
    Tag.SINK_PAUSE: Meaning(ENTITY, "Suspend"),
    Tag.SINK_RESUME: Meaning(ENTITY, "Resume"),
    Tag.SINK_REPLAY: Meaning(ENTITY, "Update"),
    Tag.SINK_REMOVE: Meaning(ENTITY, "Delete"),
    Tag.SINK_FAIL: Meaning(FINDING, "Create", Severity.MEDIUM),
    Tag.SINK_RECOVER: Meaning(FINDING, "Close"),
    Tag.DEAD_LETTER_LIST: Meaning(ENTITY, "Read"),
    Tag.DEAD_LETTER_KEEP: Meaning(FINDING, "Create", Severity.MEDIUM),
    Tag.DEAD_LETTER_REPLAY: Meaning(API, "Other"),
    Tag.ARCHIVE_WRITE: Meaning(DATA, "Write"),
    Tag.ARCHIVE_LIST: Meaning(DATA, "List"),
    Tag.ARCHIVE_VERIFY: Meaning(DATA, "Read"),
    Tag.ARCHIVE_RESTORE: Meaning(DATA, "Read"),
    Tag.ARCHIVE_TERMS: Meaning(ENTITY, "Update"),
    Tag.ARCHIVE_HOLD: Meaning(ENTITY, "Update"),
    Tag.ARCHIVE_RELEASE: Meaning(ENTITY, "Update", Severity.MEDIUM),
    Tag.ARCHIVE_PRUNE: Meaning(DATA, "Delete"),
    Tag.ARCHIVE_REMOVE: Meaning(DATA, "Delete", Severity.MEDIUM),
    Tag.TRAIL_QUERY: Meaning(DATA, "Query"),
    Tag.QUERY_LIST: Meaning(DATA, "List"),
    Tag.QUERY_SAVE: Meaning(ENTITY, "Create"),
    Tag.QUERY_DELETE: Meaning(ENTITY, "Delete"),
    Tag.TRAIL_LIST: Meaning(DATA, "Query"),
    Tag.TRAIL_VIEW: Meaning(DATA, "Read"),
    Tag.TRAIL_EXPORT: Meaning(WEB, "Export"),
    Tag.OVERVIEW_VIEW: Meaning(WEB, "Read"),
    Tag.API_DESCRIBE: Meaning(API, "Read"),
    Tag.PAGE_VIEW: Meaning(WEB, "Read"),
    Tag.POLICY_REPORT: Meaning(FINDING, "Create", Severity.LOW),
}
