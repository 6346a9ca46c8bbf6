"""From the page that shows an entry to a proof that needs us no more: in a real Chromium, on the running program."""

from __future__ import annotations

import re
import time

import pytest
from click.testing import CliRunner
from playwright.sync_api import expect

from misentinel.cli.main import cli

pytestmark = pytest.mark.browser
PATIENCE_SECONDS = 15


def test_what_was_just_done_is_sealed_at_once_and_its_proof_is_verified_without_us(asha, tmp_path):
    with asha.page() as page:
        page.goto("/trail/verify")
        key = page.locator("#key-1").inner_text()
        page.goto("/segments")
        done = time.monotonic()
        page.goto("/trail?tag=segment:list")
        page.get_by_role("link", name=re.compile("Details")).first.click()
        expect(page.get_by_role("heading", level=1)).to_have_text("segment:list")
        entry_url = page.url
        sealed = done + PATIENCE_SECONDS
        while (answer := page.request.get(f"{entry_url}/proof")).status != 200 and time.monotonic() < sealed:
            time.sleep(0.05)
        waited = time.monotonic() - done
        assert answer.status == 200 and waited < PATIENCE_SECONDS
        with page.expect_download() as download:
            page.get_by_role("link", name="Proof").click()
        proof = tmp_path / download.value.suggested_filename
        download.value.save_as(proof)
    asked = ["trail", "verify", str(proof), "--key", key]
    verified = CliRunner().invoke(cli, asked)
    assert verified.exception is None, verified.output
    assert proof.suffix == ".tlog-proof" and "is as it was signed" in verified.output
    assert '"tag":"segment:list"' in verified.output and proof.stem in verified.output
    proof.write_text(proof.read_text().replace("index ", "index 1", 1))
    assert CliRunner().invoke(cli, asked).exception is not None
