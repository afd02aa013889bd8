"""The settings of the login to the broker, and which of them go together."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from streams.kafka.access import KafkaAccess, Login, Mechanism, Protocol, read_password, tls_context
from streams.redaction import remember_password
from streams.yaml_positions import Problem

_LOGIN = ("kafka_sasl_mechanism", "kafka_user", "kafka_password_file")
_TLS = ("kafka_ca", "kafka_certificate", "kafka_key")
_PAIR = ("kafka_certificate", "kafka_key")


class KafkaSettings(BaseModel):
    """The broker settings beside its address."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    kafka_security_protocol: Protocol = "PLAINTEXT"
    """The security protocol of the broker's listener."""
    kafka_sasl_mechanism: Mechanism | None = None
    """The SASL mechanism."""
    kafka_user: str | None = Field(default=None, pattern=r"^[^\x00-\x1f]+$")
    """The broker's user of this process's role."""
    kafka_password_file: Path | None = None
    """A file with the user's password on one line, owned by this user, with mode 0600."""
    kafka_ca: Path | None = None
    """A file with the authority that signs the broker's certificate; by default the system's authorities."""
    kafka_certificate: Path | None = None
    """A file with the client certificate."""
    kafka_key: Path | None = None
    """A file with the client certificate's key, unencrypted, owned by this user, with mode 0600."""

    def contradictions(self) -> Iterator[Problem]:
        """List settings that are missing, and those that the protocol would not use."""
        protocol = self.kafka_security_protocol
        logs_in, over_tls = protocol.startswith("SASL"), protocol.endswith("SSL")
        for field in _LOGIN:
            if logs_in and getattr(self, field) is None:
                yield Problem((field,), f"is not set: {protocol} needs it")
        unused = [*(() if logs_in else _LOGIN), *(() if over_tls else _TLS)]
        for field in unused:
            if getattr(self, field) is not None:
                yield Problem(
                    (field,), f"is set, but the security protocol is {protocol}, which does not use it"
                )
        for field, other in (_PAIR, _PAIR[::-1]):
            if over_tls and getattr(self, field) is None and getattr(self, other) is not None:
                yield Problem((field,), f"is not set: {other} needs it")

    def access(self, bootstrap: str, role: str) -> KafkaAccess:
        """Read the named files and build the access. Raises: SettingsError naming the file."""
        login = tls = None
        if self.kafka_sasl_mechanism and self.kafka_user and self.kafka_password_file:
            password = read_password(self.kafka_password_file)
            remember_password(password.get_secret_value())
            login = Login(mechanism=self.kafka_sasl_mechanism, user=self.kafka_user, password=password)
        if self.kafka_security_protocol.endswith("SSL"):
            tls = tls_context(self.kafka_ca, self.kafka_certificate, self.kafka_key)
        return KafkaAccess(bootstrap, login=login, tls=tls, role=role)
