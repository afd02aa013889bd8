"""Keys are built and parsed only in `pipeline/keys.py` and in each venue's module of its own keys."""

import ast
from collections.abc import Iterator
from pathlib import Path

from pipeline import keys
from pipeline.venues.uniswap_v3.forms import own_keys

ROOT = Path(__file__).parents[2]
FAMILIES = {
    kind.family
    for module in (keys, own_keys)
    for kind in vars(module).values()
    if hasattr(kind, "family") and kind is not keys.Kind
}
MAKERS = {"pipeline/keys.py", "pipeline/venues/uniswap_v3/forms/own_keys.py"}
OF_OTHER_THINGS = {
    "pipeline/venues/abi.py": "names of contracts",
    "streams/node/client.py": "names of contracts",
    "streams/node/rpc.py": "addresses of nodes",
    "streams/devnet/artifacts.py": "names of contracts",
    "streams/redaction.py": "addresses with secrets",
}
"""Where slashes separate something else."""
CUTTING = {"split", "rsplit", "partition", "rpartition", "removeprefix", "startswith"}
LOOKING_UP = {"find", "need", "put", "group"}


def text_of(node: ast.AST | None) -> str | None:
    """Give a literal's text, of an f-string what it begins with."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.Constant(value=bytes(raw)):
            return raw.decode(errors="replace")
        case ast.JoinedStr(values=[first, *_]):
            return text_of(first)
    return None


def begins_as_a_key(text: str | None) -> bool:
    return text is not None and text.partition("/")[0] in FAMILIES and "/" in text


def keys_by_hand(tree: ast.AST, *, slashes_are_keys: bool = True) -> Iterator[int]:
    """Find the lines that make a key from text, or take one apart."""
    for node in ast.walk(tree):
        match node:
            case ast.JoinedStr() if begins_as_a_key(text_of(node)):
                yield node.lineno
            case ast.Constant(value=str() | bytes()) if (text_of(node) or "")[:-1] in FAMILIES:
                if (text_of(node) or "").endswith("/"):
                    yield node.lineno
            case ast.Call(func=ast.Attribute(attr=name), args=[first, *_]):
                given = first.elts if isinstance(first, ast.Tuple) else [first]
                texts = [text_of(each) for each in given]
                if (
                    name in CUTTING
                    and slashes_are_keys
                    and any(t and (t == "/" or begins_as_a_key(t)) for t in texts)
                ):
                    yield node.lineno
                if name in LOOKING_UP and texts[0] is not None and len(node.args) > 1:
                    yield node.lineno


def test_no_other_module_makes_a_key_or_takes_one_apart():
    found = set()
    for path in sorted([*(ROOT / "pipeline").rglob("*.py"), *(ROOT / "streams").rglob("*.py")]):
        name = str(path.relative_to(ROOT))
        if name not in MAKERS:
            tree = ast.parse(path.read_text(encoding="utf-8"))
            lines = keys_by_hand(tree, slashes_are_keys=name not in OF_OTHER_THINGS)
            found |= {f"{name}:{line}" for line in lines}
    assert found == set()


def test_each_exception_is_still_needed():
    for name in OF_OTHER_THINGS:
        tree = ast.parse((ROOT / name).read_text(encoding="utf-8"))
        assert list(keys_by_hand(tree)), name


def test_keys_by_hand_are_found():
    for line in (
        'tables.find(f"pool/{address}", Pool)',
        'key = f"tick/{pool}/{index}"',
        'key.startswith("policy/")',
        'key.startswith(("pool/", "book/"))',
        'key.removeprefix("route/")',
        'kind = key.partition("/")[0]',
        'signer = key.partition(b"/")[2]',
        'number = int(key.rpartition("/")[2])',
        'tables.need("halted", Halted)',
        'OURS = b"dry-run/"',
        '"book/" + policy.book',
    ):
        assert list(keys_by_hand(ast.parse(line))) != [], line
    for line in (
        'name.split(",")',
        'f"{one}/{two}"',
        'text.find("x")',
        "keys.pool(address)",
        '"book/ID, or all"',
    ):
        assert list(keys_by_hand(ast.parse(line))) == [], line
