"""Authentication at the broker: which settings belong together, and which are refused by name."""

import subprocess

import pytest
from certificates import Authority
from pydantic import SecretStr

from pipeline.errors import SettingsError
from streams.kafka.access import KafkaAccess, Login, read_password, tls_context
from streams.redaction import redact
from streams.settings import Settings, load_settings, variable_of
from streams.work import app as worker_app

CANARY = "canary'pass://word\\1"


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for field in Settings.model_fields:
        monkeypatch.delenv(variable_of(field), raising=False)
    monkeypatch.setenv("EVENKEEL_BROKER", "127.0.0.1:9092")
    return tmp_path


@pytest.fixture
def said(monkeypatch, tmp_path):
    """Set variables, a password's file among them where it is named."""
    password = tmp_path / "password"
    password.write_text(f"{CANARY}\n")
    password.chmod(0o600)

    def say(**named: str) -> None:
        for name, value in named.items():
            monkeypatch.setenv(f"EVENKEEL_KAFKA_{name}", str(password) if value == "FILE" else value)

    return say


WHOLE = {"SASL_MECHANISM": "SCRAM-SHA-512", "USER": "watch", "PASSWORD_FILE": "FILE"}


def test_without_a_word_it_is_plain_text():
    access = load_settings().kafka
    assert access == KafkaAccess("127.0.0.1:9092")
    assert access.client()["security_protocol"] == "PLAINTEXT"
    assert worker_app._credentials(access) is None


@pytest.mark.parametrize("protocol", ["SASL_PLAINTEXT", "SASL_SSL"])
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_a_login_reaches_aiokafka_and_faust(said, protocol, mechanism):
    said(SECURITY_PROTOCOL=protocol, **WHOLE | {"SASL_MECHANISM": mechanism})
    access = load_settings().kafka
    client = access.client()
    assert client["security_protocol"] == protocol
    assert client["sasl_mechanism"] == mechanism
    assert (client["sasl_plain_username"], client["sasl_plain_password"]) == ("watch", CANARY)
    assert (client["ssl_context"] is not None) == (protocol == "SASL_SSL")
    faust = worker_app._credentials(access)
    assert (faust.protocol.value, faust.mechanism.value) == (protocol, mechanism)
    assert (faust.username, faust.password, faust.ssl_context) == ("watch", CANARY, access.tls)


def test_tls_alone_checks_the_brokers_name(said):
    said(SECURITY_PROTOCOL="SSL")
    access = load_settings().kafka
    assert access.protocol == "SSL"
    assert access.tls is not None
    assert access.tls.check_hostname
    assert access.tls.verify_mode.name == "CERT_REQUIRED"
    assert worker_app._credentials(access).context is access.tls


@pytest.mark.parametrize(
    ("named", "says"),
    [
        ({"SECURITY_PROTOCOL": "sasl"}, "SECURITY_PROTOCOL: must be 'PLAINTEXT', 'SSL'"),
        ({"SECURITY_PROTOCOL": "SASL_SSL"}, "SASL_MECHANISM: is not set: SASL_SSL needs it"),
        ({"SECURITY_PROTOCOL": "SASL_PLAINTEXT"}, "USER: is not set: SASL_PLAINTEXT needs it"),
        ({"SECURITY_PROTOCOL": "SASL_PLAINTEXT"}, "PASSWORD_FILE: is not set: SASL_PLAINTEXT needs it"),
        (
            {"SECURITY_PROTOCOL": "SASL_SSL", **WHOLE, "SASL_MECHANISM": "GSSAPI"},
            "SASL_MECHANISM: must be 'PLAIN'",
        ),
        ({"SECURITY_PROTOCOL": "SASL_SSL", **WHOLE, "USER": "a\tb"}, "USER: "),
        (WHOLE, "PASSWORD_FILE: is set, but the security protocol is PLAINTEXT"),
        ({"USER": "watch"}, "USER: is set, but the security protocol is PLAINTEXT"),
        ({"SECURITY_PROTOCOL": "SSL", "USER": "watch"}, "USER: is set, but the security protocol is SSL"),
        ({"CA": "ca.pem"}, "CA: is set, but the security protocol is PLAINTEXT"),
        (
            {"SECURITY_PROTOCOL": "SASL_PLAINTEXT", **WHOLE, "CA": "ca.pem"},
            "CA: is set, but the security protocol",
        ),
        ({"SECURITY_PROTOCOL": "SSL", "CERTIFICATE": "c.pem"}, "KEY: is not set: kafka_certificate needs it"),
        ({"SECURITY_PROTOCOL": "SSL", "KEY": "k.pem"}, "CERTIFICATE: is not set: kafka_key needs it"),
    ],
)
def test_what_does_not_go_together_is_refused_by_name(said, named, says):
    said(**named)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert any(line.startswith(f"EVENKEEL_KAFKA_{says}") for line in str(caught.value).splitlines())


def test_in_the_file_it_is_refused_with_its_place(tmp_path):
    (tmp_path / "evenkeel.yaml").write_text("chain_id: 1\nkafka_user: watch\n")
    with pytest.raises(
        SettingsError, match=r"evenkeel\.yaml:2:13: kafka_user: is set, but the security protocol"
    ):
        load_settings()


# ------------------------------------------------------------------ certificates
@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path, "authority")


def test_a_client_certificate_is_taken(said, authority):
    shown = authority.issue("me")
    said(
        SECURITY_PROTOCOL="SSL", CA=str(authority.ca), CERTIFICATE=str(shown.certificate), KEY=str(shown.key)
    )
    access = load_settings().kafka
    assert access.tls is not None
    assert [ca["subject"] for ca in access.tls.get_ca_certs()] == [((("commonName", "authority"),),)]


def test_a_key_that_others_may_read_is_refused(authority):
    shown = authority.issue("me")
    shown.key.chmod(0o640)
    with pytest.raises(SettingsError, match=rf"{shown.key} may be read by others"):
        tls_context(None, shown.certificate, shown.key)


def test_a_key_of_another_certificate_is_refused(authority):
    one, other = authority.issue("one"), authority.issue("other")
    with pytest.raises(SettingsError, match=rf"{other.key} is not the key of the certificate in"):
        tls_context(None, one.certificate, other.key)


def test_an_encrypted_key_is_refused_and_nobody_is_asked_for_its_passphrase(authority, tmp_path):
    shown, locked = authority.issue("me"), tmp_path / "locked.key"
    command = [
        "openssl",
        "pkcs8",
        "-topk8",
        "-in",
        str(shown.key),
        "-out",
        str(locked),
        "-passout",
        "pass:canary",
    ]
    subprocess.run(command, check=True, timeout=60)
    locked.chmod(0o600)
    with pytest.raises(SettingsError, match=rf"{locked} is encrypted"):
        tls_context(None, shown.certificate, locked)


@pytest.mark.parametrize("content", [None, "", "no certificate\n"])
def test_a_ca_file_that_will_not_do_is_named(tmp_path, content):
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(SettingsError, match=str(file)):
        tls_context(file, None, None)


def test_a_certificate_that_will_not_do_is_named(authority, tmp_path):
    shown, broken = authority.issue("me"), tmp_path / "broken.pem"
    for content in (None, "no certificate\n"):
        if content is not None:
            broken.write_text(content)
        with pytest.raises(SettingsError, match=str(broken)):
            tls_context(None, broken, shown.key)


# ------------------------------------------------------------------ the password's file
@pytest.mark.parametrize(
    ("content", "mode", "says"),
    [
        ("secret\n", 0o640, "may be read by others"),
        ("secret\n", 0o604, "may be read by others"),
        ("", 0o600, "is empty"),
        ("\n", 0o600, "is empty"),
        ("one\ntwo\n", 0o600, "on one line"),
        (None, 0o600, "cannot read"),
    ],
)
def test_a_passwords_file_that_will_not_do_is_named(tmp_path, content, mode, says):
    file = tmp_path / "kafka-password"
    if content is not None:
        file.write_text(content)
        file.chmod(mode)
    with pytest.raises(SettingsError, match=says) as caught:
        read_password(file)
    assert str(file) in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_blanks_are_part_of_a_password_and_the_line_end_is_not(tmp_path, end):
    file = tmp_path / "kafka-password"
    file.write_bytes(f" pass word {end}".encode())
    file.chmod(0o600)
    assert read_password(file).get_secret_value() == " pass word "


def test_a_password_is_never_shown(said):
    said(SECURITY_PROTOCOL="SASL_SSL", **WHOLE)
    settings = load_settings()
    access = settings.kafka
    for shown in (
        f"{access} {access!r}",
        f"{settings} {settings!r} {settings.model_dump()}",
        repr(Settings()),
    ):
        assert "canary" not in shown
    assert "canary" not in redact(f"{CANARY} {CANARY!r} {access.client()!r}")


def test_a_login_is_not_shown():
    assert "canary" not in repr(Login("PLAIN", "me", SecretStr("canary")))
