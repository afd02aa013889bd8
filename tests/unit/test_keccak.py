"""Both packages that compute Keccak-256 give the same hash."""

import sys

import pytest
from eth_hash.backends import pycryptodome
from hypothesis import given
from hypothesis import strategies as st

from streams.node.proof import keccak


@given(st.binary(max_size=300) | st.sampled_from([bytes(size) for size in (135, 136, 137, 271, 272, 273)]))
def test_it_is_the_hash_that_pycryptodome_computes(value: bytes) -> None:
    assert keccak.keccak(value) == pycryptodome.keccak256(value)


@pytest.mark.skipif(sys.platform != "linux", reason="its wheels are for Linux")
def test_it_is_computed_by_pysha3_where_its_wheel_is() -> None:
    assert type(keccak._fastest()).__name__ == "PySha3Backend"


def test_it_is_computed_by_pycryptodome_where_pysha3_is_not_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "sha3", None)
    monkeypatch.delitem(sys.modules, "eth_hash.backends.pysha3", raising=False)
    assert type(keccak._fastest()).__name__ == "CryptodomeBackend"
