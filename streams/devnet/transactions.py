"""A transaction on the devnet, where every account is unlocked: sender, recipient, data."""

import msgspec

GAS = 2_000_000  # more than any call of the flow needs; unused gas costs nothing
DEPLOY_GAS = 16_000_000
MAX_FEE_WEI = 500 * 10**9
TIP_WEI = 10**9


class Tx(msgspec.Struct, frozen=True, kw_only=True):
    """What one account wants from another; `to` is empty for a new contract."""

    sender: str
    to: str
    data: str = "0x"
    value_wei: int = 0
    gas: int = GAS

    def request(self) -> dict[str, str]:
        """Return it as `eth_sendTransaction` takes it."""
        fields = {
            "from": self.sender,
            "data": self.data,
            "value": hex(self.value_wei),
            "gas": hex(self.gas),
            "maxFeePerGas": hex(MAX_FEE_WEI),
            "maxPriorityFeePerGas": hex(TIP_WEI),
        }
        return {**fields, "to": self.to} if self.to else fields


class Log(msgspec.Struct, frozen=True):
    """An event as the node gives it."""

    address: str
    topics: tuple[str, ...]
    data: str


class DevnetReceipt(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a transaction."""

    tx_hash: str
    block: int
    succeeded: bool
    gas_used: int
    contract: str  # the new contract, or empty
    logs: tuple[Log, ...]


def parse_receipt(raw: dict[str, object]) -> DevnetReceipt:
    """Read a receipt as a node gives it."""
    logs = msgspec.convert(raw["logs"], tuple[Log, ...])
    return DevnetReceipt(
        tx_hash=str(raw["transactionHash"]),
        block=int(str(raw["blockNumber"]), 16),
        succeeded=raw["status"] == "0x1",
        gas_used=int(str(raw["gasUsed"]), 16),
        contract=str(raw.get("contractAddress") or ""),
        logs=logs,
    )
