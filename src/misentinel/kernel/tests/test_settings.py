from __future__ import annotations

from pathlib import Path

import pytest

from misentinel.kernel import settings
from misentinel.kernel.errors import Misconfigured


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "misentinel.toml").write_text('https_port = 9000\nbind = "0.0.0.0"\n')
    found = settings.load({"MISENTINEL_HOME": str(tmp_path), "MISENTINEL_HTTPS_PORT": "9443"})
    assert (found.https_port, found.bind) == (9443, "0.0.0.0")
    assert found.base_url == "https://localhost:9443"


def test_an_unknown_setting_stops_the_program_and_the_closest_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="Did you mean https_port") as refused:
        settings.load({"MISENTINEL_HOME": str(tmp_path), "MISENTINEL_HTTPSPORT": "1"})
    assert refused.value.exit_code == 78


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("https_port = ", "not valid TOML"),
        ('https_port = "x"', "whole number"),
        ("colour = 1", "no setting colour"),
        ('log_level = "NOISY"', "log_level must be one of DEBUG"),
        ("archive_retention_days = 0", "must be at least 1: what is archived is kept"),
        ('mail_from = "caf\udce9"', "not text in UTF-8"),
    ],
)
def test_a_file_that_is_wrong_is_told_in_one_sentence(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "misentinel.toml").write_text(text, errors="surrogateescape")
    with pytest.raises(Misconfigured, match=told):
        settings.load({"MISENTINEL_HOME": str(tmp_path)})


def test_a_file_that_was_named_must_exist(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="does not exist"):
        settings.load({"MISENTINEL_CONFIG": str(tmp_path / "none.toml")})
