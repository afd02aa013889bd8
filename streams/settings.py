"""Read the environment and the settings files; no other module does.

Looked up in this order: the environment (`EVENKEEL_...`), `evenkeel.yaml` in the current folder,
`devnet/devnet.json` or `broker/broker.json` of a devnet or broker in the run's folder, the default.
"""

import os
import socket
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from pipeline.errors import SettingsError
from pipeline.units import ChainId
from streams.kafka.access import KafkaAccess
from streams.kafka.settings import KafkaSettings
from streams.node.budget import RateLimit
from streams.redaction import is_node_url, remember_secret
from streams.run_folder import broker_in, devnet_in, read_text
from streams.yaml_positions import (
    Document,
    Problem,
    did_you_mean,
    path_text,
    problems_of,
    read_yaml,
)

PREFIX = "EVENKEEL_"
SETTINGS_FILE = Path("evenkeel.yaml")
DEFAULT_FOLDER = Path(".evenkeel")
DEFAULT_PARTITIONS = 4
_MOST_PARTITIONS = 1_000


def _hosts(broker: str) -> str:
    for host in broker.split(","):
        name, colon, port = host.strip().rpartition(":")
        if not (name and colon and port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
            raise ValueError("must be host:port, several separated by commas")
        if "/" in name:
            raise ValueError("must be host:port without a scheme before it, several separated by commas")
    return broker


def _urls(value: object) -> object:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def _numbers(value: object) -> object:
    return [value] if isinstance(value, int) else _urls(value)


def _http(urls: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    for url in urls:
        if not is_node_url(url.get_secret_value()):
            raise ValueError("must be http:// or https:// URLs, several separated by commas")
    return urls


def _ws(url: SecretStr) -> SecretStr:
    parts = urlsplit(url.get_secret_value())
    if parts.scheme not in {"ws", "wss"} or not parts.hostname:
        raise ValueError("must be a ws:// or wss:// URL")
    return url


_Bounds = Annotated[
    tuple[Annotated[int, Field(ge=1, le=1_000_000_000)], ...], NoDecode, BeforeValidator(_numbers)
]
"""Of each node, or one of all."""


class Settings(KafkaSettings, BaseSettings):
    """The settings of a process: broker, nodes, chain and files."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        env_ignore_empty=True,
        use_attribute_docstrings=True,
    )

    broker: Annotated[str, AfterValidator(_hosts)] | None = None
    """The addresses of the Kafka brokers, `host:port`, several with commas."""
    rpc_url: Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_urls), AfterValidator(_http)] = ()
    """The nodes' http(s) URLs with commas, the preferred one first. Secret, because a URL may contain a key."""
    rpc_ws: Annotated[SecretStr, AfterValidator(_ws)] | None = None
    """A node's ws(s) URL for notices of new blocks: the watcher polls at once after a notice, and less often otherwise. Secret."""
    rpc_quorum: Annotated[int, Field(ge=1)] | None = None
    """How many nodes must report a block before the watcher follows it; by default one of two, two of three or more."""
    rpc_per_second: _Bounds = ()
    """The most calls per second to a node: one number for all nodes, or one for each in the order of the URLs."""
    rpc_per_day: _Bounds = ()
    """The most calls to a node in any 24 hours, counted from the process's start; one number or one for each node."""
    rpc_share: Annotated[int, Field(ge=1, le=100)] = 100
    """The percentage of these budgets that this process may use. `evenkeel up` divides its own among its children."""
    chain_id: Annotated[int, Field(gt=0)] | None = None
    """The chain's id."""
    partitions: Annotated[int, Field(ge=1, le=_MOST_PARTITIONS)] = DEFAULT_PARTITIONS
    """The number of shards, the same for every process."""
    folder: Path = DEFAULT_FOLDER
    """The folder for this run's files."""
    instance: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$", max_length=100)] = socket.gethostname()
    """The name of this process among those of its kind; the same after a restart."""
    cache: Path | None = None
    """The folder for downloads; by default in the user's cache folder."""
    log_format: Literal["auto", "console", "json"] = "auto"
    """`auto` is `console` on a terminal and `json` elsewhere."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The lowest level that is logged."""
    _role: str = ""

    @cached_property
    def kafka(self) -> KafkaAccess:
        """The way to the broker. Raises: SettingsError if nothing says its address, or a file cannot be used."""
        if self.broker is None:
            raise _missing("broker")
        return self.access(self.broker, self._role)

    def for_role(self, role: str) -> Self:
        """Remember whose ACLs the broker's user should have, for an error."""
        self._role = role
        return self

    @property
    def chain(self) -> ChainId:
        """The chain's id. Raises: SettingsError if nothing says it."""
        if self.chain_id is None:
            raise _missing("chain_id")
        return ChainId(self.chain_id)

    @property
    def rpc_urls(self) -> tuple[str, ...]:
        """The nodes' URLs in clear: for the one who connects. Raises: SettingsError if nothing says them."""
        if not self.rpc_url:
            raise _missing("rpc_url")
        return tuple(url.get_secret_value() for url in self.rpc_url)

    @property
    def quorum(self) -> int | None:
        """How many of the nodes must agree. Raises: SettingsError if there are fewer."""
        if self.rpc_quorum is not None and self.rpc_quorum > len(self.rpc_url):
            raise SettingsError(
                f"{variable_of('rpc_quorum')}: {self.rpc_quorum} nodes must agree, {len(self.rpc_url)} are named"
            )
        return self.rpc_quorum

    @property
    def ws_url(self) -> str | None:
        """The websocket's URL in clear: for the one who connects."""
        return None if self.rpc_ws is None else self.rpc_ws.get_secret_value()

    @property
    def rpc_limits(self) -> tuple[RateLimit, ...]:
        """How often this process may ask each node. Raises: SettingsError where there are not as many numbers as nodes, or its share is none."""
        limits = tuple(each.part(self.rpc_share) for each in self.whole_limits)
        for whole, each in zip(self.whole_limits, limits, strict=True):
            if each.per_second == 0 or each.per_day == 0:
                field, most = ("second", whole.per_second) if each.per_second == 0 else ("day", whole.per_day)
                raise SettingsError(
                    f"{variable_of('rpc_share')}: {self.rpc_share} % of {most} questions per {field} is less than one"
                )
        return limits

    @property
    def whole_limits(self) -> tuple[RateLimit, ...]:
        """How often each node may be asked by all processes together. Raises: SettingsError where there are not as many numbers as nodes."""
        seconds, days = self._each("rpc_per_second"), self._each("rpc_per_day")
        return tuple(
            RateLimit(per_second=second, per_day=day) for second, day in zip(seconds, days, strict=True)
        )

    def _each(self, field: str) -> tuple[int | None, ...]:
        """Return one bound for each node."""
        bounds: tuple[int, ...] = getattr(self, field)
        nodes = len(self.rpc_url)
        if len(bounds) <= 1:
            return (bounds or (None,)) * nodes
        if len(bounds) != nodes:
            raise SettingsError(f"{variable_of(field)}: {len(bounds)} numbers, {nodes} nodes are named")
        return bounds

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Put the environment above the files, which `load_settings` hands in."""
        del settings_cls, dotenv_settings, file_secret_settings
        return env_settings, init_settings


def load_settings() -> Settings:
    """Read environment and files, and remember what must never be printed.

    Raises: SettingsError naming variable, or file, line and column.
    """
    _refuse_unknown_variables()
    document = _settings_file()
    written = (document.value if document else None) or {}
    named = os.environ.get(f"{PREFIX}FOLDER") or written.get("folder")
    folder = (
        Path(named) if isinstance(named, str) and named else DEFAULT_FOLDER
    )  # what is none is refused below
    try:
        settings = Settings(**{**_found_in(folder, written), **written})
    except ValidationError as error:
        raise _in_our_words(error, document) from None
    problems = list(settings.contradictions())
    if problems:
        raise _refuse(problems, document)
    for url in (*settings.rpc_url, *filter(None, (settings.rpc_ws,))):
        remember_secret(url.get_secret_value())
    return settings


def made(folder: Path) -> Path:
    """Make a folder, and those above it, where it is missing. Raises: SettingsError naming it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"cannot make {folder}: {error.strerror}: name another by {variable_of('folder')}"
        ) from None
    return folder


# ------------------------------------------------------------------ what is in the run's folder
def _found_in(folder: Path, written: Mapping[str, Any]) -> dict[str, Any]:
    """Describe where a devnet's broker and chain are, its chain only where nothing else names one; else where the kept broker is."""
    devnet = devnet_in(folder)
    if devnet is None:
        kept = broker_in(folder)
        return {} if kept is None else {"broker": kept.bootstrap_servers}
    defaults: dict[str, Any] = {"broker": devnet.bootstrap_servers}
    if not any(os.environ.get(variable_of(field)) or written.get(field) for field in ("rpc_url", "chain_id")):
        defaults |= {"rpc_url": devnet.rpc_url, "chain_id": devnet.world.chain_id}
    return defaults


# ------------------------------------------------------------------ files and variables
def _settings_file() -> Document | None:
    if not SETTINGS_FILE.exists():
        return None
    document = read_yaml(read_text(SETTINGS_FILE), str(SETTINGS_FILE))
    if document.value is not None and not isinstance(document.value, dict):
        raise SettingsError(f"{document.where(())}: must hold fields, one per line")
    return document


def _refuse_unknown_variables() -> None:
    known = [variable_of(field) for field in Settings.model_fields]
    for name in sorted(os.environ):
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            raise SettingsError(f"{name}: unknown variable{did_you_mean(name.upper(), known)}")


def variable_of(field: str) -> str:
    """Name the environment variable of a setting."""
    return f"{PREFIX}{field.upper()}"


def _missing(field: str) -> SettingsError:
    starts = "a broker with `evenkeel broker up` or " if field == "broker" else ""
    return SettingsError(
        f"{field} is not set: set {variable_of(field)}, name it in {SETTINGS_FILE}, "
        f"or start {starts}a devnet with `evenkeel devnet up`"
    )


def _in_our_words(error: ValidationError, document: Document | None) -> SettingsError:
    return _refuse(problems_of(error, Settings), document)


def _refuse(problems: Iterable[Problem], document: Document | None) -> SettingsError:
    """Name each problem's variable, or its place in the file."""
    lines = []
    for problem in problems:
        field = str(problem.path[0])
        if document is not None and (field,) in document.places and not os.environ.get(variable_of(field)):
            lines.append(f"{document.where(problem.path)}: {path_text(problem.path)}{problem.says}")
        else:
            lines.append(f"{variable_of(field)}: {problem.says}")
    return SettingsError("\n".join(lines))
