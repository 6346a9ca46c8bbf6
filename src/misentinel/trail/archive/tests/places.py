"""The two places an archive is kept in: a folder, and S3 as moto's server imitates it on loopback.

It accepts a shorter COMPLIANCE retention and never runs a lifecycle, so tests look at what we send, and not only at
what became of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.request import Request, urlopen

import boto3
from moto.server import ThreadedMotoServer

from misentinel.trail.archive.s3 import S3Archive

BUCKET = "archive-of-the-trail"


@contextmanager
def s3_client() -> Iterator[object]:
    """A client of a server of its own, with one bucket that locks."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        client = boto3.client(
            "s3", region_name="eu-west-2", endpoint_url=f"http://{host}:{port}", aws_access_key_id="test",
            aws_secret_access_key="test",
        )  # fmt: skip
        urlopen(Request(f"http://{host}:{port}/moto-api/reset", method="POST")).close()  # servers share what they keep
        make_bucket(client, BUCKET)
        yield client
    finally:
        server.stop()


def make_bucket(client, name: str, *, region: str = "eu-west-2", locks: bool = True) -> None:
    client.create_bucket(
        Bucket=name, CreateBucketConfiguration={"LocationConstraint": region}, ObjectLockEnabledForBucket=locks
    )


class Sent:
    """What a client sends to S3, in order: the operation's name and its parameters."""

    def __init__(self, client) -> None:
        self.calls: list[tuple[str, dict]] = []
        client.meta.events.register("provide-client-params.s3", self._note)

    def _note(self, params, model, **_) -> None:
        self.calls.append((model.name, dict(params)))

    def named(self, operation: str) -> list[dict]:
        return [parameters for name, parameters in self.calls if name == operation]


def over_s3(client, prefix: str = "") -> S3Archive:
    return S3Archive(client, BUCKET, prefix, glacier_days=90)
