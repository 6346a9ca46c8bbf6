"""The root key in AWS KMS: it never leaves the service, and every use of it is on AWS's own audit trail.

Only regions in the United Kingdom are accepted, when configured and again when used. The context goes with each call
as KMS's encryption context, so AWS refuses to unwrap for anybody who does not name the same customer and purpose.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

from misentinel.kernel.errors import Misconfigured, Tampered, Unavailable

UK_REGIONS = frozenset({"eu-west-2"})
"""AWS regions in the United Kingdom: London is the only one (AWS, "Regions and Availability Zones")."""

_MAGIC = b"MSRK"
_WRONG_SETTING = {
    "AccessDeniedException": "does not let this program use the key",
    "NotFoundException": "knows no such key",
    "DisabledException": "has the key disabled",
    "InvalidKeyUsageException": "has that key for another use than encryption",
    "UnrecognizedClientException": "does not accept the credentials",
    "InvalidSignatureException": "does not accept the credentials",
    "ExpiredTokenException": "says that the credentials have expired",
    "IncorrectKeyException": "says that another key wrapped this",
}


class AwsKmsRootKey:
    """The adapter over one symmetric KMS key."""

    def __init__(self, client: Any, key_id: str) -> None:
        _refuse_abroad(client.meta.region_name)
        self._client = client
        self._key_id = key_id

    @classmethod
    def connect(cls, key_id: str, *, region: str, endpoint: str = "") -> AwsKmsRootKey:
        """Prepares the client; the first call is made when something is wrapped. Raises `Misconfigured`."""
        if not key_id:
            raise Misconfigured("Setting kms_key_id must name the AWS KMS key when root_key is aws-kms.")
        _refuse_abroad(region)
        _refuse_arn_abroad(key_id)
        if endpoint and not endpoint.startswith("https://"):
            raise Misconfigured("Setting kms_endpoint must begin with https://: keys are only ever asked for over TLS.")
        config = Config(connect_timeout=3, read_timeout=5, retries={"mode": "standard", "max_attempts": 3})
        try:
            client = boto3.client("kms", region_name=region, endpoint_url=endpoint or None, config=config)
        except (BotoCoreError, ValueError) as error:
            raise Misconfigured(f"AWS KMS cannot be set up: {error}.") from error
        return cls(client, key_id)

    @property
    def name(self) -> str:
        return f"aws-kms:{self._key_id}"

    def wrap(self, plaintext: bytes, context: dict[str, str]) -> bytes:
        with self._told_plainly():
            answer = self._client.encrypt(KeyId=self._key_id, Plaintext=plaintext, EncryptionContext=context)
        _refuse_arn_abroad(answer["KeyId"])
        return _MAGIC + bytes(answer["CiphertextBlob"])

    def unwrap(self, wrapped: bytes, context: dict[str, str]) -> bytes:
        wrapped = bytes(wrapped)
        if wrapped[: len(_MAGIC)] != _MAGIC:
            raise Misconfigured(
                f"The vault was sealed with a root key of another kind than {self.name}: "
                "set root_key to the one it was sealed with."
            )
        blob = wrapped[len(_MAGIC) :]
        with self._told_plainly():
            answer = self._client.decrypt(KeyId=self._key_id, CiphertextBlob=blob, EncryptionContext=context)
        return bytes(answer["Plaintext"])

    @contextmanager
    def _told_plainly(self) -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            raise self._plain(error.response.get("Error", {}).get("Code", "")) from None
        except (NoCredentialsError, PartialCredentialsError):
            raise Misconfigured(
                "AWS KMS needs credentials: give the machine a role, or set "
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
            ) from None
        except BotoCoreError as error:
            raise Unavailable(f"AWS KMS cannot be reached ({type(error).__name__}): try again.") from None

    def _plain(self, code: str) -> Exception:
        if code == "InvalidCiphertextException":
            return Tampered("A wrapped key does not open: it was changed, moved, or wrapped by another root key.")
        if code in _WRONG_SETTING:
            return Misconfigured(f"AWS KMS {_WRONG_SETTING[code]} ({self.name}): check kms_key_id and its policy.")
        return Unavailable(f"AWS KMS did not answer as it should ({code or 'no code'}): try again.")

    def __repr__(self) -> str:
        return f"AwsKmsRootKey({self.name})"


def _refuse_abroad(region: str) -> None:
    if region not in UK_REGIONS:
        raise Misconfigured(
            f"Setting kms_region is {region!r}, which is not in the United Kingdom: keys stay in "
            f"{', '.join(sorted(UK_REGIONS))}."
        )


def _refuse_arn_abroad(key_id: str) -> None:
    """An ARN names its region, whatever the client's own is: `arn:aws:kms:eu-west-2:111122223333:key/…`."""
    parts = key_id.split(":")
    if parts[0] == "arn" and len(parts) > 3:
        _refuse_abroad(parts[3])
