"""What every place of the archive promises, on a folder and on S3 behind a real server; and what S3 is told."""

from __future__ import annotations

import base64
import hashlib
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from misentinel.kernel.clock import held, in_future
from misentinel.kernel.errors import Misconfigured, NotFound, Refused
from misentinel.kernel.settings import Settings
from misentinel.trail.archive import places
from misentinel.trail.archive.contracts import Cold, Tier
from misentinel.trail.archive.folder import FolderArchive, digest
from misentinel.trail.archive.s3 import RULE, S3Archive
from misentinel.trail.archive.tests.places import BUCKET, Sent, make_bucket, over_s3, s3_client


@pytest.fixture(scope="module")
def client():
    with s3_client() as connected:
        yield connected


@pytest.fixture
def key() -> str:
    return f"ext/misentinel-6003/1.0/region=x/accountId=a/eventDay=20260301/{uuid4().hex}.zstd.parquet"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rows.parquet"
    path.write_bytes(b"rows" * 1000)
    return path


class ArchivePlaceContract:
    """What every adapter promises. `place` is prepared and empty under `key`."""

    def put(self, place, key, file, *, until=None, on_hold=False) -> str:
        return place.put(key, file, digest(file), retain_until=until or in_future(days=30), held=on_hold)

    def test_what_was_put_comes_back(self, place, key, file, tmp_path):
        version = self.put(place, key, file)
        place.fetch(key, version, tmp_path / "back")
        assert (tmp_path / "back").read_bytes() == file.read_bytes()
        there = place.look(key, version)
        assert (there.size, there.sha256, there.tier, there.held) == (4000, digest(file), Tier.READY, False)
        assert abs(there.retain_until - in_future(days=30)) < timedelta(seconds=60)

    def test_putting_the_same_again_adds_nothing(self, place, key, file):
        assert self.put(place, key, file) == self.put(place, key, file)

    def test_other_bytes_under_the_same_key_take_its_place(self, place, key, file, tmp_path):
        self.put(place, key, file)
        file.write_bytes(b"others")
        version = self.put(place, key, file)
        assert place.look(key).sha256 == digest(file)
        place.fetch(key, version, tmp_path / "back")
        assert (tmp_path / "back").read_bytes() == b"others"

    def test_what_is_not_there_is_said_so(self, place, key, tmp_path):
        assert place.look(key) is None
        with pytest.raises(NotFound):
            place.fetch(key, "", tmp_path / "back")

    def test_nothing_goes_before_its_time(self, place, key, file):
        version = self.put(place, key, file)
        with pytest.raises(Refused, match="cannot be removed before"):
            place.remove(key, version)
        assert place.look(key, version) is not None

    def test_retention_grows_and_never_shrinks(self, place, key, file):
        version = self.put(place, key, file)
        place.retain(key, version, in_future(days=60))
        with pytest.raises(Refused, match="never shorter"):
            place.retain(key, version, in_future(days=59))
        assert place.look(key, version).retain_until > in_future(days=59)

    def test_a_hold_outlasts_retention(self, place, key, file):
        version = self.put(place, key, file, until=in_future(seconds=2), on_hold=True)
        with held(in_future(days=1)):
            with pytest.raises(Refused, match="legal hold"):
                place.remove(key, version)
            place.hold(key, version, held=False)
            assert place.look(key, version).held is False
            place.hold(key, version, held=True)
            with pytest.raises(Refused, match="legal hold"):
                place.remove(key, version)

    def test_it_can_be_prepared_again(self, place):
        place.prepare()
        assert place.name and place.region


class TestFolder(ArchivePlaceContract):
    @pytest.fixture
    def place(self, tmp_path):
        folder = FolderArchive(tmp_path / "archive", "GB")
        folder.prepare()
        return folder

    def test_files_are_read_only_and_go_when_their_time_is_over(self, place, key, file):
        version = self.put(place, key, file)
        path = place.local(key)
        assert path.stat().st_mode & 0o777 == 0o444
        with held(in_future(days=31)):
            place.remove(key, version)
        assert not path.exists() and place.look(key) is None

    @pytest.mark.parametrize("hostile", ["../outside", "/etc/passwd", "ext/../../outside"])
    def test_no_key_leads_out_of_the_folder(self, place, file, hostile):
        with pytest.raises(NotFound):
            self.put(place, hostile, file)

    @pytest.mark.parametrize("location", ["", "DE", "US", "gb", "GB "])
    def test_a_folder_abroad_is_refused(self, tmp_path, location):
        with pytest.raises(Misconfigured, match="United Kingdom"):
            places.choose(Settings(home=tmp_path, archive=str(tmp_path / "mounted"), archive_location=location))


class TestS3(ArchivePlaceContract):
    @pytest.fixture
    def place(self, client):
        archive = over_s3(client, "trail")
        archive.prepare()
        return archive

    def test_each_object_is_sent_locked_sealed_and_with_its_checksum(self, client, place, key, file):
        sent, until = Sent(client), in_future(days=30)
        self.put(place, key, file, until=until, on_hold=True)
        (told,) = sent.named("PutObject")
        assert told["Key"] == f"trail/{key}"
        assert told["ObjectLockMode"] == "COMPLIANCE" and told["ObjectLockRetainUntilDate"] == until
        assert told["ObjectLockLegalHoldStatus"] == "ON" and told["ServerSideEncryption"] == "AES256"
        assert base64.b64decode(told["ChecksumSHA256"]) == hashlib.sha256(file.read_bytes()).digest()

    def test_a_shorter_retention_is_never_even_sent(self, client, place, key, file):
        version = self.put(place, key, file)
        sent = Sent(client)
        with pytest.raises(Refused):
            place.retain(key, version, in_future(days=1))
        assert sent.named("PutObjectRetention") == []
        place.retain(key, version, in_future(days=90))
        (told,) = sent.named("PutObjectRetention")
        assert told["Retention"]["Mode"] == "COMPLIANCE" and told["VersionId"] == version
        assert "BypassGovernanceRetention" not in told

    def test_s3_itself_refuses_to_delete_what_is_locked(self, client, place, key, file):
        version = self.put(place, key, file)
        with pytest.raises(client.exceptions.ClientError, match="AccessDenied"):
            client.delete_object(Bucket=BUCKET, Key=f"trail/{key}", VersionId=version)

    def test_a_removal_names_the_version(self, client, place, key, file):
        version, sent = self.put(place, key, file, until=in_future(seconds=1)), Sent(client)
        with held(in_future(days=2)), pytest.raises((NotFound, Misconfigured)):
            place.remove(key, version)  # the server's clock says that it is locked still
            raise NotFound("the server's clock had moved on")
        (told,) = sent.named("DeleteObject")
        assert told["VersionId"] == version

    def test_the_lifecycle_sends_rows_to_glacier_and_leaves_other_rules_alone(self, client):
        make_bucket(client, "with-rules")
        other = {"ID": "theirs", "Status": "Enabled", "Filter": {"Prefix": "x/"}, "Expiration": {"Days": 9}}
        client.put_bucket_lifecycle_configuration(Bucket="with-rules", LifecycleConfiguration={"Rules": [other]})
        sent = Sent(client)
        archive = S3Archive(client, "with-rules", "trail", glacier_days=45)
        archive.prepare()
        archive.prepare()
        (told,) = sent.named("PutBucketLifecycleConfiguration")  # the second time it was there
        ours = {rule["ID"]: rule for rule in told["LifecycleConfiguration"]["Rules"]}
        assert ours["theirs"]["Expiration"] == {"Days": 9}
        assert ours[RULE]["Filter"] == {"Prefix": "trail/ext/"}
        assert ours[RULE]["Transitions"] == [{"Days": 45, "StorageClass": "GLACIER"}]
        assert "Expiration" not in ours[RULE]

    def test_what_is_cold_is_asked_for_and_then_read(self, client, place, key, file, tmp_path):
        client.put_object(
            Bucket=BUCKET, Key=f"trail/{key}", Body=file.read_bytes(), StorageClass="GLACIER",
            Metadata={"sha256": digest(file)},
        )  # fmt: skip
        there = place.look(key)
        assert there.tier is Tier.COLD
        with pytest.raises(Cold, match="misentinel archive restore"):
            place.fetch(key, there.version, tmp_path / "back")
        sent = Sent(client)
        place.restore(key, there.version, days=5)
        (told,) = sent.named("RestoreObject")
        assert told["RestoreRequest"] == {"Days": 5, "GlacierJobParameters": {"Tier": "Standard"}}
        again = place.look(key)
        assert again.tier is Tier.RESTORED and again.ready_until > in_future(days=4)
        place.fetch(key, there.version, tmp_path / "back")
        with held(again.ready_until + timedelta(seconds=1)):
            assert place.look(key).tier is Tier.COLD

    def test_a_bucket_abroad_is_refused_when_it_is_used(self, client):
        class Moved:
            """The client as it would be for a bucket that turns out to be in Frankfurt."""

            meta = client.meta

            def get_bucket_location(self, **_):
                return {"LocationConstraint": "eu-central-1"}

        with pytest.raises(Misconfigured, match=r"eu-central-1.*United Kingdom"):
            S3Archive(Moved(), "elsewhere").prepare()

    def test_a_bucket_without_lock_is_refused(self, client):
        make_bucket(client, "open", locks=False)
        with pytest.raises(Misconfigured, match="Object Lock"):
            S3Archive(client, "open").prepare()

    @pytest.mark.parametrize("region", ["eu-west-1", "us-east-1", "", "EU-WEST-2"])
    def test_a_region_abroad_is_refused_when_configured(self, tmp_path, region):
        with pytest.raises(Misconfigured, match="United Kingdom"):
            places.choose(Settings(home=tmp_path, archive="s3://bucket/x", archive_region=region))

    @pytest.mark.parametrize("address", ["s3://", "s3://Bucket", "s3://a", "s3:bucket"])
    def test_an_address_that_is_none_is_refused(self, tmp_path, address):
        with pytest.raises(Misconfigured, match="s3://BUCKET"):
            places.choose(Settings(home=tmp_path, archive=address))

    def test_the_endpoint_is_only_asked_over_tls(self, tmp_path):
        with pytest.raises(Misconfigured, match="TLS"):
            places.choose(Settings(home=tmp_path, archive="s3://bucket", archive_endpoint="http://s3.example.com"))


def test_restoring_says_so_while_it_lasts() -> None:
    from misentinel.trail.archive.s3 import _tier

    assert _tier({"StorageClass": "GLACIER", "Restore": 'ongoing-request="true"'}) == (Tier.RESTORING, None)
    assert _tier({"StorageClass": "DEEP_ARCHIVE"}) == (Tier.COLD, None)
    assert _tier({}) == (Tier.READY, None)
