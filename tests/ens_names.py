"""ENS on a devnet: the published registry at its Ethereum address, and the published resolver."""

from dataclasses import dataclass
from pathlib import Path

from eth_utils.crypto import keccak

from pipeline.venues.abi import function
from streams.devnet.chain import Chain
from streams.devnet.deployer import Deployer
from streams.devnet.transactions import Tx
from streams.node.ens import REGISTRY

_ROOT = bytes(32)
_OWNER_OF_ROOT = "0x" + keccak(_ROOT + bytes(32)).hex()
"""The registry's slot: its mapping of records is the first of its state, and the owner the first of a record."""


@dataclass(frozen=True)
class Ens:
    """An ENS registry whose names belong to one account."""

    chain: Chain
    owner: str
    resolver: str

    def own(self, name: str) -> bytes:
        """Register a name and its parents, and return its node."""
        node = _ROOT
        for label in reversed(name.split(".")):
            hashed = keccak(text=label)
            self._send(
                REGISTRY, function("ens/ENSRegistry", "setSubnodeOwner").calldata(node, hashed, self.owner)
            )
            node = keccak(node + hashed)
        return node

    def point(self, name: str, address: str) -> None:
        """Let a name resolve to an address."""
        node = self.own(name)
        self._send(REGISTRY, function("ens/ENSRegistry", "setResolver").calldata(node, self.resolver))
        self._send(self.resolver, function("ens/PublicResolver", "setAddr").calldata(node, address))

    def _send(self, to: str, data: str) -> None:
        self.chain.execute(Tx(sender=self.owner, to=to, data=data))


def place_ens(chain: Chain, owner: str, cache: Path) -> Ens:
    """Put registry and resolver on a chain; the owner has the root."""
    deployer = Deployer(chain, owner, cache)
    deployer.place("ens/ENSRegistry", REGISTRY)
    chain.rpc("anvil_setStorageAt", REGISTRY, _OWNER_OF_ROOT, "0x" + owner[2:].rjust(64, "0"))
    return Ens(chain, owner, deployer.deploy("ens/PublicResolver", REGISTRY))
