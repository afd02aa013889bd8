"""How clients reach the broker: addresses, login and TLS."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import SecretStr

from pipeline.errors import SettingsError
from streams.private_file import private_text

Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)


@dataclass(frozen=True)
class Login:
    """A user of the broker, and the mechanism that proves its password."""

    mechanism: Mechanism
    user: str
    password: SecretStr


@dataclass(frozen=True)
class KafkaAccess:
    """The broker's addresses, and how client and broker authenticate to each other."""

    bootstrap: str
    """host:port, several separated by commas."""
    login: Login | None = None
    tls: ssl.SSLContext | None = None
    role: str = ""
    """Whose ACLs the user should have, for an error; what is allowed is the broker's to say."""

    @property
    def who(self) -> str:
        """Return the user's name as the broker knows it, for an error."""
        return "the client" if self.login is None else f"user {self.login.user}"

    @property
    def protocol(self) -> Protocol:
        """Return Kafka's name of the security protocol."""
        if self.login is None:
            return "PLAINTEXT" if self.tls is None else "SSL"
        return "SASL_PLAINTEXT" if self.tls is None else "SASL_SSL"

    def client(self) -> dict[str, Any]:
        """Return the keyword arguments of every aiokafka client."""
        arguments: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap,
            "security_protocol": self.protocol,
            "ssl_context": self.tls,
        }
        if self.login is not None:
            arguments |= {
                "sasl_mechanism": self.login.mechanism,
                "sasl_plain_username": self.login.user,
                "sasl_plain_password": self.login.password.get_secret_value(),
            }
        return arguments


def read_password(file: Path) -> SecretStr:
    """Read a user's password from a file, without the last line end.

    Raises: SettingsError if others may read it, or if it is empty or longer than a line.
    """
    password = private_text(file).removesuffix("\n").removesuffix("\r")
    if not password:
        raise SettingsError(f"{file} is empty: it must hold the password")
    if any(character in password for character in "\n\r\0"):
        raise SettingsError(f"{file} must hold the password alone, on one line")
    return SecretStr(password)


def tls_context(ca: Path | None, certificate: Path | None, key: Path | None) -> ssl.SSLContext:
    """Make a TLS context that trusts a CA file, or else the system's CAs, checks the broker's name, and has any client certificate.

    Raises: SettingsError naming the file.
    """
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca is not None:
        context = _trusting(ca)
    if certificate is not None and key is not None:
        _show_certificate(context, certificate, key)
    return context


def _trusting(ca: Path) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=ca)
    except ssl.SSLError:
        raise SettingsError(f"{ca} holds no certificate in PEM form") from None
    except OSError as error:
        raise SettingsError(f"cannot read {ca}: {error.strerror}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _show_certificate(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    private_text(key)  # refused if others may read it
    encrypted = SettingsError(f"{key} is encrypted: the key must be in the clear, in a file of mode 0600")

    def no_passphrase() -> str:  # or OpenSSL asks on the terminal
        raise encrypted

    try:
        context.load_cert_chain(certificate, key, password=no_passphrase)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise SettingsError(f"{key} is not the key of the certificate in {certificate}") from None
        raise SettingsError(
            f"{certificate} and {key} are not a certificate and its key in PEM form"
        ) from None
    except OSError as error:
        raise SettingsError(f"cannot read {certificate}: {error.strerror}") from None
