"""Assemble bytecode from mnemonics, for small contracts that nobody publishes."""

_OPCODES = {
    "STOP": 0x00,
    "ADD": 0x01,
    "MUL": 0x02,
    "SUB": 0x03,
    "DIV": 0x04,
    "LT": 0x10,
    "SGT": 0x13,
    "EQ": 0x14,
    "ISZERO": 0x15,
    "SHR": 0x1C,
    "KECCAK256": 0x20,
    "CALLER": 0x33,
    "CALLDATALOAD": 0x35,
    "CALLDATASIZE": 0x36,
    "CALLDATACOPY": 0x37,
    "RETURNDATASIZE": 0x3D,
    "RETURNDATACOPY": 0x3E,
    "POP": 0x50,
    "MLOAD": 0x51,
    "MSTORE": 0x52,
    "SLOAD": 0x54,
    "SSTORE": 0x55,
    "JUMP": 0x56,
    "JUMPI": 0x57,
    "GAS": 0x5A,
    "JUMPDEST": 0x5B,
    "DUP1": 0x80,
    "DUP2": 0x81,
    "SWAP1": 0x90,
    "LOG3": 0xA3,
    "CALL": 0xF1,
    "RETURN": 0xF3,
    "STATICCALL": 0xFA,
    "REVERT": 0xFD,
}


def assemble(source: str) -> bytes:
    """Put words together: a number is pushed, `:name` marks a place, `@name` pushes it, the rest are opcodes."""
    words = source.split()
    places: dict[str, int] = {}
    code = b""
    for word in words:
        if word.startswith(":"):
            places[word[1:]] = len(code)
        code += _instruction(word, {})
    return b"".join(_instruction(word, places) for word in words)


def _instruction(word: str, places: dict[str, int]) -> bytes:
    if word.startswith(":"):
        return bytes([_OPCODES["JUMPDEST"]])
    if word.startswith("@"):
        return b"\x61" + places.get(word[1:], 0).to_bytes(2, "big")  # PUSH2
    if word in _OPCODES:
        return bytes([_OPCODES[word]])
    number = int(word, 0)
    size = max(1, (number.bit_length() + 7) // 8)
    return bytes([0x5F + size]) + number.to_bytes(size, "big")  # PUSH1..PUSH32
