"""What we serve over SCIM: users and groups, as far as a teammate has anything to keep, and what we announce."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from pydantic import Field
from scim2_models import (
    AuthenticationScheme,
    Bulk,
    CaseExact,
    ChangePassword,
    ComplexAttribute,
    ETag,
    Filter,
    Meta,
    Mutability,
    Patch,
    Reference,
    Required,
    Resource,
    ScimProvider,
    ServiceProviderConfig,
    Sort,
    Uniqueness,
)
from scim2_models import User as WholeUser
from scim2_models.urn import URN

from misentinel.kernel import settings
from misentinel.teammates.queries.provisioning import DirectoryUser, GroupView

PREFIX = "scim/v2"
MOST = 200


class UserGroup(ComplexAttribute):
    value: Annotated[str | None, Mutability.read_only, CaseExact.true] = None
    ref: Annotated[Reference[Group] | None, Mutability.read_only] = Field(
        None, serialization_alias="$ref", validation_alias="$ref"
    )
    display: Annotated[str | None, Mutability.read_only] = None


class User(Resource[Any]):
    """A teammate. `userName` is the e-mail address. Whatever else a directory sends is read over."""

    __schema__ = WholeUser.__schema__

    user_name: Annotated[str | None, Uniqueness.server, Required.true] = None
    display_name: str | None = None
    active: bool | None = None
    groups: Annotated[list[UserGroup] | None, Mutability.read_only] = None


class GroupMember(ComplexAttribute):
    value: Annotated[str | None, Mutability.immutable, CaseExact.true] = None
    ref: Annotated[Reference[User] | None, Mutability.immutable] = Field(
        None, serialization_alias="$ref", validation_alias="$ref"
    )


class Group(Resource[Any]):
    """A group of the directory; an administrator says in the console which role its members have."""

    __schema__ = URN("urn:ietf:params:scim:schemas:core:2.0:Group")

    display_name: Annotated[str | None, Required.true, Uniqueness.server] = None
    members: list[GroupMember] | None = None


UserGroup.model_rebuild()

CONFIG = ServiceProviderConfig(
    patch=Patch(supported=True),
    bulk=Bulk(supported=False, max_operations=0, max_payload_size=0),
    filter=Filter(supported=True, max_results=MOST),
    change_password=ChangePassword(supported=False),
    sort=Sort(supported=False),
    etag=ETag(supported=False),
    authentication_schemes=[
        AuthenticationScheme(
            type=AuthenticationScheme.Type.oauthbearertoken, name="Provisioning key", primary=True,
            description="A provisioning key in the Authorization header, as a bearer token (RFC 6750).",
        )
    ],
)  # fmt: skip
PROVIDER = ScimProvider(models=[User, Group], config=CONFIG)


def location(kind: str, of: object) -> str:
    return f"{settings.load().base_url}/{PREFIX}/{kind}/{of}"


def as_user(found: DirectoryUser) -> User:
    return User(
        id=str(found.id), external_id=found.external_id or None, user_name=found.email, display_name=found.name,
        active=found.active,
        groups=[
            UserGroup(value=str(one), ref=Reference[Group](location("Groups", one)), display=name)
            for one, name in found.groups
        ] or None,
        meta=Meta(
            resource_type="User", created=found.created_at, last_modified=found.changed_at,
            location=location("Users", found.id),
        ),
    )  # fmt: skip


def as_group(found: GroupView) -> Group:
    return Group(
        id=str(found.id), external_id=found.external_id or None, display_name=found.name,
        members=[
            GroupMember(value=str(one), ref=Reference[User](location("Users", one)))
            for one, _ in found.members
        ] or None,
        meta=Meta(
            resource_type="Group", created=found.created_at, last_modified=found.changed_at,
            location=location("Groups", found.id),
        ),
    )  # fmt: skip


def member_ids(group: Group) -> list[UUID]:
    """Raises `ValueError` for a member that is no id."""
    return [UUID(str(one.value)) for one in group.members or []]
