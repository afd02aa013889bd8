"""`make golden-aave`: call the libraries of both versions of Aave V3 on a chain, and record their answers.

An answer of null says that they revert.
"""

import json
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from streams.devnet.chain import Chain, start_chain
from streams.devnet.solidity import compile_contracts, contract_of
from streams.devnet.transactions import DEPLOY_GAS, Tx
from streams.node.blocking_rpc import RpcRefusedError

HERE = Path(__file__).with_name("aave_math")
VERSIONS = {"3.0": "Harness30.sol", "3.6": "Harness36.sol"}
PER_FUNCTION = 40
DAY_S, YEAR_S = 86_400, 31_536_000
EDGES = (
    0,
    1,
    2,
    4_999,
    5_000,
    10_000,
    10**18,
    10**27 - 1,
    10**27,
    10**27 + 1,
    5 * 10**26,
    2**128 - 1,
    2**256 - 1,
)
RATES = (0, 1, 10**25, 35 * 10**24, 10**27, 10 * 10**27)
SPANS_S = (0, 1, 2, 3, 12, DAY_S, YEAR_S, 10 * YEAR_S)


def inputs(chance: random.Random, name: str) -> tuple[int, ...]:
    """Choose one question's numbers, leaning on the edges."""

    def number(most_bits: int, edges: tuple[int, ...]) -> int:
        if chance.random() < 0.4:
            return chance.choice(edges)
        return chance.getrandbits(chance.choice((most_bits, chance.randint(1, most_bits))))

    match name.split("_", maxsplit=1)[0]:
        case "linear" | "compounded":
            return number(94, RATES), number(29, SPANS_S)
        case "percent":
            return number(243, EDGES), chance.randint(0, 20_000)
        case "mul":
            return number(160, EDGES), number(80, EDGES), chance.choice((0, 1, 10**6, 10**18))
    return number(150, EDGES), number(100, EDGES)


def ask(chain: Chain, harness: str, signature: str, arguments: tuple[int, ...]) -> str | None:
    types = ["uint256"] * len(arguments)
    try:
        told = chain.call(harness, "0x" + (keccak(text=signature)[:4] + encode(types, arguments)).hex())
    except RpcRefusedError:
        return None
    return str(int(told, 16))


def vectors(chain: Chain, version: str, file: str) -> Iterator[str]:
    compiled = compile_contracts([file], {file: (HERE / file).read_text()})
    harness = contract_of(compiled, file, "Harness")
    sender = chain.rpc("eth_accounts")[0]
    (receipt,) = chain.execute(Tx(sender=sender, to="", data=harness["bytecode"], gas=DEPLOY_GAS))
    for entry in sorted(harness["abi"], key=lambda each: str(each["name"])):
        name, chance = entry["name"], random.Random(f"{version}/{entry['name']}")
        signature = f"{name}({','.join('uint256' for _ in entry['inputs'])})"
        for _ in range(PER_FUNCTION):
            given = inputs(chance, name)
            answer = ask(chain, receipt.contract, signature, given)
            yield json.dumps([version, name, [str(each) for each in given], answer])


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, start_chain(Path(folder)) as chain:
        lines = [line for version, file in VERSIONS.items() for line in vectors(chain, version, file)]
    (HERE / "vectors.jsonl").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
