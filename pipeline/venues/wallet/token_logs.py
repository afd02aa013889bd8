"""Decode the logs of fungible tokens: ERC-20 transfers, and the wrapped native token's two events."""

from pipeline.messages.base import RawLog
from pipeline.units import Address, RawAmount
from pipeline.venues.log_words import Shape, address
from pipeline.venues.plain_words import address_in, decode_log, plain_shape
from pipeline.venues.wallet.forms import TokensMoved

TRANSFER_TOPIC = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
"""Of ERC-20 (amount in the data) and of ERC-721 (id in a topic) alike."""
DEPOSIT_TOPIC = "0xe1fffcc4923d04b559f4d29a8bfc6cda04eb5b0d3c460751c2402c5c5cc9109c"
WITHDRAWAL_TOPIC = "0x7fcf532c15f0a6db0bd6d0e038bea71d30d808c7d98cb3bf7268a95bf5081b65"
TOKEN_TOPICS = frozenset({TRANSFER_TOPIC, DEPOSIT_TOPIC, WITHDRAWAL_TOPIC})

ZERO_ADDRESS = Address("0x" + "0" * 40)
"""Where tokens come from when made and go to when destroyed."""


def decode_token_log(log: RawLog) -> TokensMoved | None:
    """Decode a log of a fungible token; None for another event.

    A wrapped native token's deposit comes from the zero address, a withdrawal goes to it.

    Raises: MalformedLogError.
    """
    fact: TokensMoved | None = decode_log(log, PLAIN_SHAPES, _TOKEN_SHAPES)
    return fact


def _moved(log: RawLog, sender: Address, recipient: Address, amount: int) -> TokensMoved:
    return TokensMoved(
        address=log.address,
        log_index=log.log_index,
        sender=sender,
        recipient=recipient,
        amount=RawAmount(amount),
    )


def _transfer(log: RawLog, words: list[int]) -> TokensMoved:
    return _moved(log, address(words[0]), address(words[1]), words[2])


def _transfer_plainly(log: RawLog, raw: bytes) -> TokensMoved:
    _, sender, recipient = log.topics
    return _moved(log, address_in(sender), address_in(recipient), int.from_bytes(raw, "big"))


def _deposit(log: RawLog, words: list[int]) -> TokensMoved:
    return _moved(log, ZERO_ADDRESS, address(words[0]), words[1])


def _withdrawal(log: RawLog, words: list[int]) -> TokensMoved:
    return _moved(log, address(words[0]), ZERO_ADDRESS, words[1])


PLAIN_SHAPES = {TRANSFER_TOPIC: plain_shape(3, (256,), _transfer_plainly)}
_TOKEN_SHAPES = {
    TRANSFER_TOPIC: Shape("Transfer", 3, 1, _transfer),
    DEPOSIT_TOPIC: Shape("Deposit", 2, 1, _deposit),
    WITHDRAWAL_TOPIC: Shape("Withdrawal", 2, 1, _withdrawal),
}


def topic_of(address: Address) -> str:
    """Encode an address as a topic: behind twelve zero bytes."""
    return "0x" + "0" * 24 + address[2:]


def address_of_topic(topic: str) -> Address:
    """Decode the address in a topic: its last 20 bytes."""
    return Address("0x" + topic[-40:])
