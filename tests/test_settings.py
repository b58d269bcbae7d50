"""Settings: what is unknown or malformed stops the start with a sentence that says what to write."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from settings import _KNOWN, SettingError, load_settings
from tests.service import ROOT


def test_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load_settings({"PATH": "x"})
    assert settings.home == tmp_path / "data"
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.database_url == f"sqlite:///{tmp_path}/data/capture.db"
    assert settings.queue_url is settings.chain_url is None
    assert settings.rate_limits == (120, 20)


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"CAPTURE_HOMER": "x"}, "did you mean CAPTURE_HOME"),
        ({"CAPTURE_XYZZY_PLUGH": "x"}, "there are: CAPTURE_HOME"),
        ({"CAPTURE_LISTEN": "8000"}, "127.0.0.1:8000"),
        ({"CAPTURE_LISTEN": "host:99999"}, "127.0.0.1:8000"),
        ({"CAPTURE_LISTEN": "host:eight"}, "127.0.0.1:8000"),
        ({"CAPTURE_DATABASE_URL": "mysql://x"}, "sqlite:////srv"),
        ({"CAPTURE_BLOBS_URL": "/srv/blobs"}, "s3://bucket"),
        ({"CAPTURE_QUEUE_URL": "amqp://x"}, "redis://"),
        ({"CAPTURE_CHAIN_URL": "https://rpc.example"}, "CAPTURE_CHAIN_KEY_FILE"),
        ({"CAPTURE_CHAIN_URL": "rpc.example"}, "https://rpc.example"),
        ({"CAPTURE_CHAIN_KEY_FILE": "/nonexistent"}, "names no file"),
        ({"CAPTURE_CHAIN_CONTRACT": "0x12"}, "40 hex digits"),
        ({"CAPTURE_WITNESSES": "https://witness.example"}, "each witness's https URL and its key"),
        (
            {"CAPTURE_WITNESSES": "witness.example witness.example+00000000+AAAA"},
            "each witness's https URL and its key",
        ),
        ({"CAPTURE_WITNESSES": "https://one.example https://two.example"}, "each witness's https URL and its key"),
        ({"CAPTURE_CHAIN_URL": "http://[::1"}, "https://rpc.example"),
        ({"CAPTURE_BLOBS_URL": "file://data/blobs"}, "file:///srv"),
        ({"CAPTURE_DATABASE_URL": "sqlite:///:memory:"}, "sqlite:////srv"),
        ({"CAPTURE_HOME": "/srv/what?"}, "another folder"),
        ({"CAPTURE_INDEX_URL": "x"}, "leave it unset"),
        ({"CAPTURE_INDEX_URL": "postgresql+psycopg://host/other"}, "same PostgreSQL"),
        ({"CAPTURE_SIGNER_URL": "x"}, "a signing process's socket"),
        ({"CAPTURE_SIGNER_URL": "unix://relative.sock"}, "pkcs11:token=capture"),
        ({"CAPTURE_SIGNER_PASSWORD_FILE": "/nonexistent"}, "names no file"),
        ({"CAPTURE_LEAF_DAYS": "0"}, "1 to 5400"),
        ({"CAPTURE_PUBLIC_URL": "capture.example"}, "https://capture.example"),
        ({"CAPTURE_TSA_URL": "x"}, "RFC 3161"),
        ({"CAPTURE_LOG_ORIGIN": "https://x"}, "without scheme"),
        ({"CAPTURE_WEBHOOK_NETWORKS": "10.0.0.1/8"}, "networks of your own"),
        ({"CAPTURE_RATE_LIMITS": "120"}, "how many lookups, and how many photos"),
        ({"CAPTURE_RATE_LIMITS": "120 -20"}, "how many lookups, and how many photos"),
        ({"CAPTURE_UNDECLARED_PARENTS": "delete"}, "note, hold or refuse"),
        ({"CAPTURE_PHOTO_WORKERS": "0"}, "1 to 64"),
        ({"CAPTURE_PHOTO_WORKERS": "²"}, "1 to 64"),
    ],
)
def test_wrong_settings_say_what_to_write(environ: dict[str, str], says: str) -> None:
    with pytest.raises(SettingError, match=says.replace("(", r"\(")):
        load_settings(environ)


def test_a_password_in_a_url_is_not_shown() -> None:
    with pytest.raises(SettingError) as error:
        load_settings({"CAPTURE_QUEUE_URL": "amqp://me:secret@host"})
    assert "secret" not in str(error.value)


def test_every_setting_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    assert [name for name in _KNOWN if f"`{name}`" not in readme] == []


def test_the_start_stops_with_one_sentence(tmp_path: Path) -> None:
    environ = os.environ | {"CAPTURE_HOME": str(tmp_path), "CAPTURE_LISTN": "x"}
    run = subprocess.run([sys.executable, "-m", "cli", "up"], cwd=ROOT, env=environ, capture_output=True, text=True)
    assert run.returncode == 1
    assert run.stderr == "Error: CAPTURE_LISTN is not a setting; did you mean CAPTURE_LISTEN?\n"


def test_postgresql_is_told_which_driver_it_has() -> None:
    url = "postgresql://someone@host/capture"
    settings = load_settings({"CAPTURE_DATABASE_URL": url, "CAPTURE_INDEX_URL": url})
    assert settings.database_url == settings.index_url == "postgresql+psycopg://someone@host/capture"
