import pytest

from streams import redaction
from streams.redaction import redact, remember_secret

KEY = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch):
    monkeypatch.setattr(redaction, "_known", set())


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://user:pass@host.io:8545/", "https://***@host.io:8545/"),
        ("https://host.io/v3/0123456789abcdef0123", "https://host.io/v3/***"),
        ("wss://host.io/ws/v2/AbCdEf-0123456789_xyz.", "wss://host.io/ws/v2/***"),
        ("https://host.io/rpc?apikey=abc&x=1", "https://host.io/rpc?***"),
        ("https://host.io?apikey=abc", "https://host.io?***"),
        ("kafka://user:pass@broker:9092", "kafka://***@broker:9092"),
        ("'https://a.b/0123456789abcdef0123', next", "'https://a.b/***', next"),
        ("http://127.0.0.1:8545", "http://127.0.0.1:8545"),
        ("password=hunter2 and more", "password=*** and more"),
        ("{'sasl_plain_password': 'hunter2'}", "{'sasl_plain_password': '***'}"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ('"api_key": "abc"', '"api_key": "***"'),
    ],
)
def test_credentials_are_hidden(text, shown):
    assert redact(text) == shown


@pytest.mark.parametrize(
    "text", [KEY, f"0x{KEY}", f"key '{KEY.upper()}'", f"HexBytes('0x{KEY}')", f"[0x{KEY}]"]
)
def test_32_bytes_of_hex_keep_8_digits(text):
    shown = redact(text)
    assert KEY.lower()[8:24] not in shown.lower()
    assert KEY[:8] in shown.lower()


def test_what_is_no_secret_stays():
    for text in (
        "0x88e6a0c2ddd26feeb64f039a2c41296fcb3f5640",  # an address
        "portfolio.yaml:16:13: books[0].strategy.band: 110% is not above 0%",
        "offset 12 of evenkeel-31337.events.v1[2]@12",
        "0x" + "ab" * 96,  # data of a log
        "tokens: 5, tokenId 7",
        "signer.yaml:3:1: private_key: unknown field; known: keystore",
        "EVENKEEL_KAFKA_PASSWORD: unknown variable; did you mean EVENKEEL_KAFKA_PASSWORD_FILE?",
    ):
        assert redact(text) == text


def test_a_remembered_secret_is_hidden_wherever_it_stands():
    remember_secret("https://me:passw0rd@x.example/ethereum/shortk3y?token=abcdef")
    remember_secret("plain-canary")
    assert redact("shortk3y, passw0rd, abcdef: plain-canary") == "***, ***, ***: ***"


def test_words_of_a_path_stay_readable():
    remember_secret("https://rpc.example/ethereum/mainnet/v3")
    assert redact("ethereum mainnet v3") == "ethereum mainnet v3"
