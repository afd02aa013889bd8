"""The account that deploys published contracts."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_utils.crypto import keccak

from pipeline.errors import DevnetError
from pipeline.venues.abi import encode_call, encode_constructor

from .artifacts import Artifact, load_artifact
from .chain import Chain
from .solidity import load_compiled
from .transactions import DEPLOY_GAS, Tx

_NONCES = 128  # enough to find an address on either side; above, RLP takes another shape


@dataclass(frozen=True, eq=False)
class Deployer:
    """Deploys each contract in a block of its own."""

    chain: Chain
    sender: str
    cache: Path

    def deploy(self, contract: str, *arguments: Any, libraries: Mapping[str, str] | None = None) -> str:
        """Deploy a contract by its name in SOURCES.toml and return its address."""
        artifact = self.artifact(contract)
        code = _link(artifact.creation_code, artifact.links, libraries or {})
        data = "0x" + code + encode_constructor(artifact.abi, *arguments).hex()
        (receipt,) = self.chain.execute(Tx(sender=self.sender, to="", data=data, gas=DEPLOY_GAS))
        return receipt.contract

    def artifact(self, contract: str) -> Artifact:
        """Find a contract that is published as bytecode, or as source."""
        return load_compiled(contract, cache=self.cache) or load_artifact(contract, cache=self.cache)

    def call(self, to: str, contract: str, name: str, *arguments: Any) -> None:
        """Call a function of a deployed contract in a block of its own."""
        data = "0x" + encode_call(self.artifact(contract).abi, name, *arguments).hex()
        self.chain.execute(Tx(sender=self.sender, to=to, data=data, gas=DEPLOY_GAS))

    def place(self, contract: str, address: str) -> None:
        """Put a contract at a given address, as its creation code without arguments makes it."""
        code = "0x" + load_artifact(contract, cache=self.cache).creation_code
        runtime = self.chain.rpc(
            "eth_call", {"from": self.sender, "data": code, "gas": hex(DEPLOY_GAS)}, "latest"
        )
        self.chain.rpc("anvil_setCode", address, runtime)

    def deploy_on_both_sides(self, of: str, contract: str, *arguments: Any) -> tuple[str, str]:
        """Deploy a contract twice, below and above an address, skipping nonces that give neither."""
        low = high = ""
        nonce = int(self.chain.rpc("eth_getTransactionCount", self.sender, "latest"), 16)
        while not (low and high):
            below = address_of(self.sender, nonce) < of
            if below and not low:
                low = self.deploy(contract, *arguments)
            elif not below and not high:
                high = self.deploy(contract, *arguments)
            else:
                self.chain.execute(Tx(sender=self.sender, to=self.sender))
            nonce += 1
        return low, high


def address_of(sender: str, nonce: int) -> str:
    """Return where a sender's contract comes to stand: the end of keccak(RLP(sender, nonce))."""
    if nonce >= _NONCES:
        raise DevnetError(f"nonce {nonce} of {sender} is above {_NONCES - 1}: the world needs fewer")
    packed = b"\xd6\x94" + bytes.fromhex(sender.removeprefix("0x")) + bytes([nonce or 0x80])
    return "0x" + keccak(packed)[12:].hex()


def _link(code: str, links: Mapping[str, tuple[int, ...]], libraries: Mapping[str, str]) -> str:
    for library, places in links.items():
        for place in places:
            code = code[: 2 * place] + libraries[library].removeprefix("0x") + code[2 * (place + 20) :]
    return code
