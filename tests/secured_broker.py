"""A real broker with SASL and TLS on its listeners, which allows nothing without an ACL."""

import asyncio
import secrets
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest
from certificates import Authority, Certificate
from pydantic import SecretStr

from streams.devnet import processes
from streams.devnet.broker import _PROPERTIES, _archive_classes, _archive_path
from streams.devnet.cache import made_once
from streams.devnet.jars import jars, java_command
from streams.devnet.ports import HOST, free_port
from streams.kafka.access import KafkaAccess, Login, Mechanism, tls_context
from streams.kafka.roles import Acl

ADMIN = "admin"
_READY_S = 90.0

_SECURED = """
listeners=SASL_SSL://{host}:{sasl_ssl},SASL_PLAINTEXT://{host}:{sasl_plaintext},SSL://{host}:{ssl},CONTROLLER://{host}:{controller}
advertised.listeners=SASL_SSL://{host}:{sasl_ssl},SASL_PLAINTEXT://{host}:{sasl_plaintext},SSL://{host}:{ssl}
listener.security.protocol.map=SASL_SSL:SASL_SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SSL:SSL,CONTROLLER:SSL
inter.broker.listener.name=SSL
controller.quorum.voters=1@{host}:{controller}

ssl.keystore.type=PEM
ssl.keystore.location={store}
ssl.truststore.type=PEM
ssl.truststore.location={ca}
listener.name.ssl.ssl.client.auth=required
listener.name.controller.ssl.client.auth=required
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512

authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=false
super.users=User:CN=broker;User:{admin}
"""
_LOGIN_MODULE = "org.apache.kafka.common.security"


class SecuredBroker:
    """A broker with listeners SASL_SSL, SASL_PLAINTEXT and SSL, users with SCRAM and PLAIN passwords, and ACLs."""

    def __init__(self, folder: Path, cache: Path, users: Iterable[str]) -> None:
        self.folder = folder.resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.authority = Authority(self.folder, "authority")
        self.passwords = {user: secrets.token_urlsafe(18) for user in (ADMIN, *users)}
        self.ports = {name: free_port() for name in ("sasl_ssl", "sasl_plaintext", "ssl", "controller")}
        self._java = _java(cache)
        self.process: subprocess.Popen[bytes] | None = None
        self._write_properties()
        self._format()

    # -------------------------------------------------------------- ways to it
    def access(self, user: str, mechanism: Mechanism = "SCRAM-SHA-512", *, tls: bool = True) -> KafkaAccess:
        """Return a user's access to the broker."""
        port = self.ports["sasl_ssl" if tls else "sasl_plaintext"]
        return KafkaAccess(
            f"{HOST}:{port}",
            login=Login(mechanism=mechanism, user=user, password=SecretStr(self.passwords[user])),
            tls=tls_context(self.authority.ca, None, None) if tls else None,
        )

    def by_certificate(self, shown: Certificate) -> KafkaAccess:
        """Return the access of a client with a certificate."""
        context = tls_context(self.authority.ca, shown.certificate, shown.key)
        return KafkaAccess(f"{HOST}:{self.ports['ssl']}", tls=context)

    def environment(self, user: str, mechanism: Mechanism = "SCRAM-SHA-512") -> dict[str, str]:
        """Return the environment variables of a user's access."""
        password = self.folder / f"{user}.password"
        password.write_text(f"{self.passwords[user]}\n")
        password.chmod(0o600)
        return {
            "EVENKEEL_BROKER": f"{HOST}:{self.ports['sasl_ssl']}",
            "EVENKEEL_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "EVENKEEL_KAFKA_SASL_MECHANISM": mechanism,
            "EVENKEEL_KAFKA_USER": user,
            "EVENKEEL_KAFKA_PASSWORD_FILE": str(password),
            "EVENKEEL_KAFKA_CA": str(self.authority.ca),
        }

    # -------------------------------------------------------------- ACLs
    async def allow(self, user: str, acls: Iterable[Acl]) -> None:
        """Add the ACLs of a role."""
        async with asyncio.timeout(60):
            admin = AIOKafkaAdminClient(**self.access(ADMIN).client())
            await admin.start()
            try:
                for acl in acls:
                    request = CreateAclsRequest(
                        *acl.resource_codes, f"User:{user}", "*", acl.operation_code, 3
                    )
                    answer = await admin._send_request(request)
                    assert not any(code for code, _ in answer.creation_responses), answer
            finally:
                await admin.close()

    async def forbid(self, user: str, acl: Acl) -> None:
        """Remove one ACL."""
        async with asyncio.timeout(60):
            admin = AIOKafkaAdminClient(**self.access(ADMIN).client())
            await admin.start()
            try:
                request = DeleteAclsRequest(*acl.resource_codes, f"User:{user}", "*", acl.operation_code, 3)
                answer = await admin._send_request(request)
                assert [len(found[2]) for found in answer.filter_responses] == [1], answer
            finally:
                await admin.close()

    # -------------------------------------------------------------- its process
    def start(self) -> None:
        properties = self.folder / "server.properties"
        self.process = processes.spawn(
            [*self._java, "kafka.Kafka", str(properties)], folder=self.folder, log=self.folder / "broker.log"
        )
        asyncio.run(self._ready())

    async def _ready(self) -> None:
        deadline_s = time.monotonic() + _READY_S
        while not await self._serves():
            said = processes.last_lines(self.folder / "broker.log")
            assert self.process is not None
            assert self.process.poll() is None, said
            assert time.monotonic() < deadline_s, said
            await asyncio.sleep(0.2)
        await asyncio.sleep(0.2)  # connections that were refused are closed by the loop itself

    async def _serves(self) -> bool:
        with closing(socket.socket()) as listener:  # aiokafka would write an error for each try
            if listener.connect_ex((HOST, self.ports["sasl_ssl"])):
                return False
        admin = AIOKafkaAdminClient(**self.access(ADMIN).client())
        try:
            await admin.start()
        except (KafkaError, OSError):
            return False
        finally:
            await admin.close()
        return True

    def stop(self) -> None:
        if self.process is not None:
            processes.stop(self.process)

    def _write_properties(self) -> None:
        ports = self.ports
        plain = _PROPERTIES.format(
            host=HOST, port=ports["ssl"], controller_port=ports["controller"], folder=self.folder
        )
        store = self.authority.issue("broker", address=HOST).store()
        secured = _SECURED.format(host=HOST, store=store, ca=self.authority.ca, admin=ADMIN, **ports)
        users = " ".join(f'user_{user}="{password}"' for user, password in self.passwords.items())
        for listener in ("sasl_ssl", "sasl_plaintext"):
            name = f"listener.name.{listener}"
            secured += (
                f"{name}.plain.sasl.jaas.config={_LOGIN_MODULE}.plain.PlainLoginModule required {users};\n"
            )
            for mechanism in ("scram-sha-256", "scram-sha-512"):
                module = f"{_LOGIN_MODULE}.scram.ScramLoginModule required;"
                secured += f"{name}.{mechanism}.sasl.jaas.config={module}\n"
        (self.folder / "server.properties").write_text(plain + secured)  # of two lines the later one holds

    def _format(self) -> None:
        options = []
        for user, password in self.passwords.items():
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
                options += ["--add-scram", f"{mechanism}=[name={user},password={password}]"]
        cluster_id = "e" + secrets.token_urlsafe(16)[1:22]
        command = [*self._java, "kafka.tools.StorageTool", "format", "-t", cluster_id]
        command += ["-c", str(self.folder / "server.properties"), *options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def secured_broker(folder: Path, cache: Path, users: Iterable[str]) -> Iterator[SecuredBroker]:
    broker = SecuredBroker(folder, cache, users)
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()


def _java(cache: Path) -> list[str]:
    folder = jars(cache)
    archive = made_once(_archive_path(folder), lambda path: _archive_classes(folder, path))
    return java_command(folder, f"-XX:SharedArchiveFile={archive}")
