"""Both adapters of the root key keep the same promises, and each refuses in one sentence what it must."""

import os
import socket
import stat
import threading
import traceback
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from moto import mock_aws

from misentinel.kernel.errors import Misconfigured, Tampered, Unavailable
from misentinel.kernel.settings import Settings
from misentinel.vault import ports
from misentinel.vault.ports.aws_kms import AwsKmsRootKey
from misentinel.vault.ports.sealed_file import SealedFileRootKey

SECRET = b"0123456789abcdef0123456789abcdef"
CONTEXT = {"customer": "018f0000-0000-7000-8000-000000000001", "purpose": "customer key", "version": "1"}


class RootKeyContract:
    """What every adapter promises. `root` and `other` are two keys of the kind; `again` is `root`, newly loaded."""

    def test_what_is_wrapped_unwraps_also_after_a_restart(self, root, again):
        wrapped = root.wrap(SECRET, CONTEXT)
        assert root.unwrap(wrapped, CONTEXT) == SECRET
        assert again.unwrap(wrapped, dict(reversed(CONTEXT.items()))) == SECRET
        assert root.name == again.name

    def test_the_secret_is_not_in_what_is_wrapped(self, root):
        assert SECRET not in root.wrap(SECRET, CONTEXT)

    def test_wrapping_twice_gives_different_bytes(self, root):
        assert root.wrap(SECRET, CONTEXT) != root.wrap(SECRET, CONTEXT)

    @pytest.mark.parametrize("context", [{}, {**CONTEXT, "customer": "x"}, {**CONTEXT, "more": "x"}, {"purpose": "x"}])
    def test_another_context_is_refused(self, root, context):
        with pytest.raises(Tampered):
            root.unwrap(root.wrap(SECRET, CONTEXT), context)

    def test_another_root_key_is_refused_and_named(self, root, other):
        with pytest.raises(Misconfigured) as caught:
            other.unwrap(root.wrap(SECRET, CONTEXT), CONTEXT)
        assert other.name in caught.value.message
        assert_one_sentence(caught.value.message)

    def test_changed_bytes_are_refused(self, root):
        wrapped = root.wrap(SECRET, CONTEXT)
        for at in (len(wrapped) - 1, len(wrapped) // 2):
            changed = bytearray(wrapped)
            changed[at] ^= 1
            with pytest.raises((Tampered, Misconfigured)):
                root.unwrap(bytes(changed), CONTEXT)
        for cut in (b"", wrapped[:4], wrapped[:-1]):
            with pytest.raises((Tampered, Misconfigured)):
                root.unwrap(cut, CONTEXT)

    def test_nothing_secret_is_shown(self, root, other):
        with pytest.raises(Misconfigured) as caught:
            other.unwrap(root.wrap(SECRET, CONTEXT), CONTEXT)
        told = repr(root) + str(root) + root.name + "".join(traceback.format_exception(caught.value))
        assert SECRET.decode() not in told
        assert SECRET.hex() not in told


class TestSealedFile(RootKeyContract):
    @pytest.fixture
    def path(self, tmp_path):
        return tmp_path / "home" / "root.key"

    @pytest.fixture
    def root(self, path):
        return SealedFileRootKey.create(path)

    @pytest.fixture
    def again(self, root, path):
        return SealedFileRootKey.load(path)

    @pytest.fixture
    def other(self, tmp_path):
        return SealedFileRootKey.create(tmp_path / "other.key")

    def test_the_file_is_private_from_its_first_moment_whatever_the_umask(self, path):
        before = os.umask(0)
        try:
            SealedFileRootKey.create(path)
        finally:
            os.umask(before)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert [file.name for file in path.parent.iterdir()] == ["root.key"]

    @pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o700, 0o777])
    def test_a_file_that_others_may_touch_is_refused(self, root, path, mode):
        path.chmod(mode)
        with pytest.raises(Misconfigured, match=f"mode {mode:04o}"):
            SealedFileRootKey.load(path)

    def test_a_file_that_even_its_owner_may_only_read_is_fine(self, root, path):
        path.chmod(0o400)
        assert SealedFileRootKey.load(path).name == root.name

    def test_a_file_of_somebody_else_is_refused(self, root, path, monkeypatch):
        owner = path.stat().st_uid
        monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
        with pytest.raises(Misconfigured, match=f"belongs to user {owner}"):
            SealedFileRootKey.load(path)

    def test_a_missing_file_is_not_quietly_replaced(self, path):
        with pytest.raises(Misconfigured, match="does not exist"):
            SealedFileRootKey.load(path)
        assert not path.exists()

    def test_a_folder_a_pipe_and_a_device_are_refused(self, tmp_path):
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe, 0o600)
        for path in (tmp_path, pipe, Path("/dev/null")):
            with pytest.raises(Misconfigured, match="not a regular file"):
                SealedFileRootKey.load(path)

    def test_every_kind_of_damage_is_found_when_the_file_is_read(self, root, path):
        good = path.read_text()
        label, version, key_id, key = good.split()
        bad = [
            "",
            "\x00" * 100,
            good[:-3],
            good.replace(key[:2], "zz", 1),
            f"{label} {version} {key_id} {key[:-1]}{'0' if key[-1] != '0' else '1'}",
            f"{label} {version} {'0' * 16} {key}",
            f"other {version} {key_id} {key}",
            f"{label} {version} {key_id} {key} {key}",
            f"{label} {version} {key_id} {key[:32]}",
        ]
        for content in bad:
            path.write_text(content)
            with pytest.raises(Misconfigured, match="damaged") as caught:
                SealedFileRootKey.load(path)
            assert key not in "".join(traceback.format_exception(caught.value))
        path.write_text(f"{label} 2 {key_id} {key}")
        with pytest.raises(Misconfigured, match="later version"):
            SealedFileRootKey.load(path)

    def test_creating_never_replaces_a_key_that_is_there(self, root, path):
        before = path.read_bytes()
        assert SealedFileRootKey.create(path).name == root.name
        assert path.read_bytes() == before

    def test_many_creators_at_once_end_with_one_key(self, path):
        names, start = [], threading.Barrier(8)

        def create():
            start.wait(timeout=10)
            names.append(SealedFileRootKey.create(path).name)

        threads = [threading.Thread(target=create) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=10)
        assert len(names) == 8
        assert len(set(names)) == 1
        assert len(list(path.parent.iterdir())) == 1

    def test_a_folder_that_cannot_be_written_is_told_plainly(self, tmp_path):
        blocked = tmp_path / "file"
        blocked.write_text("")
        with pytest.raises(Misconfigured, match="cannot be created"):
            SealedFileRootKey.create(blocked / "root.key")

    def test_the_key_does_not_show(self, root, path):
        key = path.read_text().split()[3]
        assert key not in repr(root) + root.name
        assert key not in root.wrap(SECRET, CONTEXT).hex()


@pytest.fixture
def aws_credentials(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_KMS"):
        monkeypatch.delenv(name, raising=False)


def new_kms_key(region="eu-west-2", endpoint=None):
    return boto3.client("kms", region_name=region, endpoint_url=endpoint).create_key()["KeyMetadata"]["Arn"]


class TestAwsKms(RootKeyContract):
    @pytest.fixture(autouse=True)
    def aws(self, aws_credentials):
        with mock_aws():
            yield

    @pytest.fixture
    def arn(self):
        return new_kms_key()

    @pytest.fixture
    def root(self, arn):
        return AwsKmsRootKey.connect(arn, region="eu-west-2")

    @pytest.fixture
    def again(self, root, arn):
        return AwsKmsRootKey.connect(arn, region="eu-west-2")

    @pytest.fixture
    def other(self):
        return AwsKmsRootKey.connect(new_kms_key(), region="eu-west-2")

    @pytest.mark.parametrize("region", ["eu-west-1", "eu-west-3", "us-east-1", "", "EU-WEST-2", "eu-west-2 "])
    def test_a_region_outside_the_united_kingdom_is_refused(self, arn, region):
        with pytest.raises(Misconfigured, match="United Kingdom"):
            AwsKmsRootKey.connect(arn, region=region)

    def test_a_client_made_elsewhere_for_abroad_is_refused_too(self, arn):
        with pytest.raises(Misconfigured, match="United Kingdom"):
            AwsKmsRootKey(boto3.client("kms", region_name="eu-central-1"), arn)

    def test_a_key_whose_arn_is_abroad_is_refused_though_the_region_is_right(self):
        with pytest.raises(Misconfigured, match="United Kingdom"):
            AwsKmsRootKey.connect(new_kms_key("us-east-1"), region="eu-west-2")

    def test_an_alias_works_as_a_name(self, arn, root):
        boto3.client("kms", region_name="eu-west-2").create_alias(AliasName="alias/vault", TargetKeyId=arn)
        named = AwsKmsRootKey.connect("alias/vault", region="eu-west-2")
        assert named.unwrap(named.wrap(SECRET, CONTEXT), CONTEXT) == SECRET

    def test_a_key_that_does_not_exist_is_told_plainly(self):
        missing = AwsKmsRootKey.connect("00000000-0000-4000-8000-000000000000", region="eu-west-2")
        with pytest.raises(Misconfigured, match="no such key") as caught:
            missing.wrap(SECRET, CONTEXT)
        assert_one_sentence(caught.value.message)

    def test_a_key_that_is_not_named_is_told_plainly(self):
        with pytest.raises(Misconfigured, match="kms_key_id"):
            AwsKmsRootKey.connect("", region="eu-west-2")

    def test_what_a_file_wrapped_is_refused_and_the_other_way_round(self, root, tmp_path):
        file = SealedFileRootKey.create(tmp_path / "root.key")
        with pytest.raises(Misconfigured, match="another kind"):
            root.unwrap(file.wrap(SECRET, CONTEXT), CONTEXT)
        with pytest.raises(Misconfigured, match="another kind"):
            file.unwrap(root.wrap(SECRET, CONTEXT), CONTEXT)

    def test_a_service_that_does_not_answer_is_unavailable_not_tampered(self, root, monkeypatch):
        def nobody(**_):
            raise EndpointConnectionError(endpoint_url="https://kms.eu-west-2.amazonaws.com")

        wrapped = root.wrap(SECRET, CONTEXT)
        monkeypatch.setattr(root._client, "decrypt", nobody)
        with pytest.raises(Unavailable, match="cannot be reached"):
            root.unwrap(wrapped, CONTEXT)


def test_the_settings_choose_aws_kms_and_an_endpoint_where_nobody_listens_is_unavailable(aws_credentials):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refuses at once
        endpoint = f"https://127.0.0.1:{taken.getsockname()[1]}"
        chosen = ports.choose(Settings(root_key="aws-kms", kms_key_id="alias/vault", kms_endpoint=endpoint))
        assert chosen.name == "aws-kms:alias/vault"
        with pytest.raises(Unavailable, match="cannot be reached") as caught:
            chosen.wrap(SECRET, CONTEXT)
    assert_one_sentence(caught.value.message)


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:4566", "http://kms.internal", "kms.internal"])
def test_keys_are_only_asked_for_over_tls(aws_credentials, endpoint):
    with pytest.raises(Misconfigured, match="https://"):
        ports.choose(Settings(root_key="aws-kms", kms_key_id="alias/vault", kms_endpoint=endpoint))


def test_the_settings_choose_the_adapter(tmp_path):
    created = SealedFileRootKey.create(tmp_path / "root.key")
    assert ports.choose(Settings(home=tmp_path)).name == created.name
    moved = tmp_path / "elsewhere.key"
    (tmp_path / "root.key").rename(moved)
    assert ports.choose(Settings(home=tmp_path, root_key_file=str(moved))).name == created.name
    with pytest.raises(Misconfigured, match="root_key must be"):
        ports.choose(Settings(root_key="vaultwarden"))
    with pytest.raises(Misconfigured, match="does not exist"):
        ports.choose(Settings(home=tmp_path))


def test_the_root_key_in_force_is_read_once_and_can_be_replaced_for_a_block(tmp_path, monkeypatch):
    created = SealedFileRootKey.create(tmp_path / "root.key")
    monkeypatch.setenv("MISENTINEL_HOME", str(tmp_path))
    other = SealedFileRootKey.create(tmp_path / "other.key")
    with ports.using(None):
        assert ports.root_key().name == created.name
        assert ports.root_key() is ports.root_key()
        with ports.using(other):
            assert ports.root_key() is other
        assert ports.root_key().name == created.name


def assert_one_sentence(message):
    assert message.endswith(".")
    assert "\n" not in message
    assert "Traceback" not in message
