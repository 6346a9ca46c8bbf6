"""The archive on S3: Object Lock in mode COMPLIANCE, a lifecycle to Glacier, and only in the United Kingdom."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

from misentinel.kernel.clock import now
from misentinel.kernel.errors import Misconfigured, NotFound, Unavailable
from misentinel.trail.archive.contracts import Cold, Stored, Tier
from misentinel.trail.archive.folder import refuse_removal, refuse_shortening
from misentinel.trail.archive.layout import ROWS
from misentinel.vault.ports.aws_kms import UK_REGIONS

RULE = "misentinel-archive-to-glacier"
_COLD = frozenset({"GLACIER", "DEEP_ARCHIVE"})
_MISSING = frozenset({"404", "NoSuchKey", "NoSuchVersion", "NotFound"})
_WRONG_SETTING = {
    "AccessDenied": "does not let this program do that",
    "NoSuchBucket": "has no such bucket",
    "InvalidAccessKeyId": "does not accept the credentials",
    "SignatureDoesNotMatch": "does not accept the credentials",
    "ExpiredToken": "says that the credentials have expired",
}
_ADDRESS = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?")
_CHUNK = 1 << 20


class S3Archive:
    """One bucket with Object Lock, below an optional prefix."""

    def __init__(self, client: Any, bucket: str, prefix: str = "", *, glacier_days: int = 90) -> None:
        _refuse_abroad(client.meta.region_name)
        self._client = client
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._glacier_days = glacier_days
        self.region: str = client.meta.region_name

    @classmethod
    def connect(cls, address: str, *, region: str, endpoint: str = "", glacier_days: int = 90) -> S3Archive:
        """Prepares the client for `s3://bucket/prefix`; nothing is asked yet. Raises `Misconfigured`."""
        found = _ADDRESS.fullmatch(address)
        if not found:
            raise Misconfigured(f"Setting archive must be a folder or s3://BUCKET/PREFIX, not {address!r}.")
        _refuse_abroad(region)
        if endpoint and not endpoint.startswith("https://"):
            raise Misconfigured(
                "Setting archive_endpoint must begin with https://: the archive is only asked over TLS."
            )
        config = Config(connect_timeout=5, read_timeout=60, retries={"mode": "standard", "max_attempts": 3})
        try:
            client = boto3.client("s3", region_name=region, endpoint_url=endpoint or None, config=config)
        except (BotoCoreError, ValueError) as error:
            raise Misconfigured(f"S3 cannot be set up: {error}.") from error
        return cls(client, found[1], found[2] or "", glacier_days=glacier_days)

    @property
    def name(self) -> str:
        return f"s3://{self._bucket}/{self._prefix}"

    def prepare(self) -> None:
        """Checks where the bucket is and that it locks, and sees to the lifecycle rule, leaving other rules alone."""
        with self._told_plainly():
            where = self._client.get_bucket_location(Bucket=self._bucket)["LocationConstraint"] or "us-east-1"
        _refuse_abroad(where)
        try:
            told = self._client.get_object_lock_configuration(Bucket=self._bucket)
            locks = told["ObjectLockConfiguration"].get("ObjectLockEnabled") == "Enabled"
        except ClientError:
            locks = False
        if not locks:
            raise Misconfigured(
                f"The bucket {self._bucket} has no Object Lock, so what it keeps could be deleted. Make one with it."
            )
        self._see_to_lifecycle()

    def put(self, key: str, file: Path, sha256: str, *, retain_until: datetime, held: bool) -> str:
        there = self.look(key)
        if there is not None and there.sha256 == sha256:
            return there.version
        with self._told_plainly(), file.open("rb") as body:
            answer = self._client.put_object(
                Bucket=self._bucket,
                Key=self._prefix + key,
                Body=body,
                ChecksumAlgorithm="SHA256",
                ChecksumSHA256=base64.b64encode(bytes.fromhex(sha256)).decode(),
                ServerSideEncryption="AES256",
                ObjectLockMode="COMPLIANCE",
                ObjectLockRetainUntilDate=retain_until,
                ObjectLockLegalHoldStatus=_on(held),
                Metadata={"sha256": sha256},
            )
        return str(answer["VersionId"])

    def look(self, key: str, version: str = "") -> Stored | None:
        try:
            with self._told_plainly():
                told = self._client.head_object(**self._named(key, version))
        except NotFound:
            return None
        tier, ready_until = _tier(told)
        return Stored(
            told["ContentLength"], told["Metadata"].get("sha256", ""), told.get("VersionId", ""),
            told.get("ObjectLockRetainUntilDate"), told.get("ObjectLockLegalHoldStatus") == "ON", tier, ready_until,
        )  # fmt: skip

    def fetch(self, key: str, version: str, to: Path) -> None:
        with self._told_plainly():
            body = self._client.get_object(**self._named(key, version))["Body"]
            with to.open("wb") as out:
                for chunk in body.iter_chunks(_CHUNK):
                    out.write(chunk)

    def restore(self, key: str, version: str, *, days: int) -> None:
        request = {"Days": days, "GlacierJobParameters": {"Tier": "Standard"}}
        try:
            with self._told_plainly():
                self._client.restore_object(**self._named(key, version), RestoreRequest=request)
        except _Restoring:
            return

    def retain(self, key: str, version: str, until: datetime) -> None:
        refuse_shortening(self._there(key, version), until)
        with self._told_plainly():
            self._client.put_object_retention(
                **self._named(key, version), Retention={"Mode": "COMPLIANCE", "RetainUntilDate": until}
            )

    def hold(self, key: str, version: str, *, held: bool) -> None:
        with self._told_plainly():
            self._client.put_object_legal_hold(**self._named(key, version), LegalHold={"Status": _on(held)})

    def remove(self, key: str, version: str) -> None:
        there = self._there(key, version)
        refuse_removal(there)
        with self._told_plainly():
            self._client.delete_object(**self._named(key, there.version))

    def local(self, key: str) -> Path | None:
        return None

    def _there(self, key: str, version: str) -> Stored:
        found = self.look(key, version)
        if found is None:
            raise NotFound(f"The archive has no object {key}. Look at {self.name}.")
        return found

    def _named(self, key: str, version: str) -> dict[str, str]:
        named = {"Bucket": self._bucket, "Key": self._prefix + key}
        return {**named, "VersionId": version} if version else named

    def _see_to_lifecycle(self) -> None:
        try:
            rules = self._client.get_bucket_lifecycle_configuration(Bucket=self._bucket)["Rules"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchLifecycleConfiguration":
                raise self._plain(error.response["Error"]["Code"]) from None
            rules = []
        wanted = {
            "ID": RULE,
            "Status": "Enabled",
            "Filter": {"Prefix": f"{self._prefix}{ROWS}/"},
            "Transitions": [{"Days": self._glacier_days, "StorageClass": "GLACIER"}],
        }
        if wanted in rules:
            return
        others = [rule for rule in rules if rule.get("ID") != RULE]
        with self._told_plainly():
            self._client.put_bucket_lifecycle_configuration(
                Bucket=self._bucket, LifecycleConfiguration={"Rules": [*others, wanted]}
            )

    @contextmanager
    def _told_plainly(self) -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            raise self._plain(error.response.get("Error", {}).get("Code", "")) from None
        except (NoCredentialsError, PartialCredentialsError):
            raise Misconfigured(
                "S3 needs credentials: give the machine a role, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
            ) from None
        except BotoCoreError as error:
            raise Unavailable(f"S3 cannot be reached ({type(error).__name__}): try again.") from None

    def _plain(self, code: str) -> Exception:
        if code in _MISSING:
            return NotFound(f"The archive {self.name} has no such object.")
        if code == "InvalidObjectState":
            return Cold("This part of the archive is in Glacier: run `misentinel archive restore`, and wait for it.")
        if code == "RestoreAlreadyInProgress":
            return _Restoring()
        if code in _WRONG_SETTING:
            return Misconfigured(f"S3 {_WRONG_SETTING[code]} ({self.name}): check the setting archive and the policy.")
        return Unavailable(f"S3 did not answer as it should ({code or 'no code'}): try again.")

    def __repr__(self) -> str:
        return f"S3Archive({self.name})"


class _Restoring(Exception):
    """Somebody asked for it already."""


def _on(held: bool) -> str:
    return "ON" if held else "OFF"


def _tier(told: dict[str, Any]) -> tuple[Tier, datetime | None]:
    """By S3's `x-amz-restore`: `ongoing-request="false", expiry-date="Fri, 21 Dec 2012 00:00:00 GMT"`."""
    restore = told.get("Restore", "")
    if told.get("StorageClass", "") not in _COLD:
        return Tier.READY, None
    if 'ongoing-request="true"' in restore:
        return Tier.RESTORING, None
    expiry = re.search(r'expiry-date="([^"]+)"', restore)
    until = parsedate_to_datetime(expiry[1]).astimezone(UTC) if expiry else None
    return (Tier.RESTORED, until) if until is not None and until > now() else (Tier.COLD, None)


def _refuse_abroad(region: str) -> None:
    if region not in UK_REGIONS:
        raise Misconfigured(
            f"The archive's bucket is in {region!r}, which is not in the United Kingdom: archives stay in "
            f"{', '.join(sorted(UK_REGIONS))}."
        )
