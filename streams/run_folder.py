"""Read from a run's folder which devnet or broker was started in it."""

from pathlib import Path
from typing import TypeVar

import msgspec

from contracts_abi import file_forms
from contracts_abi.file_forms import FileFormError
from pipeline.errors import SettingsError
from pipeline.messages.chain_profile import ChainProfile
from pipeline.units import Address, ChainId
from streams.plain_json import take_json

T = TypeVar("T")

DEVNET_FOLDER = "devnet"
DEVNET_FILE = "devnet.json"
BROKER_FOLDER = "broker"
BROKER_FILE = "broker.json"


class DevnetFilePool(msgspec.Struct, frozen=True):
    address: str
    token0: str
    token1: str


class DevnetAccounts(msgspec.Struct, frozen=True):
    owners: tuple[str, ...]


class DevnetWorld(msgspec.Struct, frozen=True):
    """What of the devnet's chain a portfolio needs to know."""

    chain_id: ChainId
    weth: Address
    usdc_low: Address
    usdc_high: Address
    factory: Address
    position_manager: Address
    accounts: DevnetAccounts
    pools: dict[str, DevnetFilePool]
    router: Address | None = None

    def profile(self) -> ChainProfile:
        """Where Uniswap V3 stands on it."""
        return ChainProfile(
            chain_id=self.chain_id,
            wrapped_native=self.weth,
            position_manager=self.position_manager,
            factory=self.factory,
            router=self.router,
        )


class DevnetFile(msgspec.Struct, frozen=True):
    """A devnet as its file describes it."""

    bootstrap_servers: str
    rpc_url: str
    world: DevnetWorld


def devnet_in(folder: Path) -> DevnetFile | None:
    """Find the devnet that is up in a folder. Raises: SettingsError if its file makes no sense."""
    return _read_json(folder / DEVNET_FOLDER / DEVNET_FILE, DevnetFile)


class BrokerFile(msgspec.Struct, frozen=True):
    """A broker that this run keeps, as its file describes it."""

    bootstrap_servers: str


def broker_in(folder: Path) -> BrokerFile | None:
    """Find the broker that is kept in a folder. Raises: SettingsError if its file makes no sense."""
    return _read_json(folder / BROKER_FOLDER / BROKER_FILE, BrokerFile)


def _read_json(file: Path, form: type[T]) -> T | None:
    if not file.exists():
        return None
    try:
        return take_json(read_text(file), form)
    except FileFormError as error:
        raise SettingsError(f"{file}: {error}") from None


def read_text(path: Path) -> str:
    """Read a file that a user named. Raises: SettingsError if it cannot be read."""
    try:
        return file_forms.read_text(path)
    except FileFormError as error:
        raise SettingsError(f"cannot read {path}: {error}") from None
