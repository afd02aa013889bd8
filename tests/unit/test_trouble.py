"""Errors of real nodes and providers in their own words, and their classification."""

import pytest

from pipeline.errors import (
    PASSING_TROUBLE,
    BlockUnknownError,
    CallRevertedError,
    MethodMissingError,
    NodeBusyError,
    NodeError,
    RequestRefusedError,
    StateGoneError,
    TooMuchAskedError,
)
from streams.node.node_errors import error_of, error_of_page, error_of_status

BUSY = [
    *((code, "no") for code in (15, 429, -32005, -32007, -32016, -32603)),
    (429, "Your app has exceeded its compute units per second capacity"),
    (-32005, "daily request count exceeded, request rate limited"),
    (-32005, "limit exceeded"),
    (-32016, "over rate limit"),
    (-32007, "100/second request limit reached - reduce calls per second"),
    (15, "Too many request, try again later"),
    (-32000, "rate limit exceeded"),
    (-32000, "Too Many Requests"),
    (-32090, "Too many requests, reason: call rate limit exhausted, retry in 10s"),
    (-32000, "request timed out"),
    (-32002, "request timed out"),
    (-32603, "Internal error"),
    (-32603, "service temporarily unavailable"),
    (-32000, "execution timeout"),
    (-32000, "upstream request failed with status 502"),
    (-32603, "failed to get account: HTTP error 429 with body: slow down"),
    (0, "monthly quota used up"),
    (-32000, "batch rate limit: 10 requests per second"),
]
UNKNOWN = [
    (-32000, "header not found"),
    (-32000, "unknown block"),
    (-32001, "Resource not found"),
    (-32000, "hash 0xabc is not currently canonical"),
    (-32000, "block not found: 0x10"),
    (-32602, "BlockOutOfRangeError: block height is 0 but requested was 2457"),
    (-32000, "could not find block"),
    (-39001, "Unknown block"),
]
GONE = [
    (-32000, "missing trie node 1f2e (path ) state 0xabc is not available"),
    (-32000, "historical state 0xabc is not available"),
    (-32000, "World state unavailable"),
    (4444, "pruned history unavailable"),
    (-32602, "BlockOutOfRangeError: block height is 42 but requested was 41"),
    (-32000, "project does not have access to archive state"),
    (-32000, "state at block #100 is pruned"),
    (-32000, "distance to target block exceeds maximum proof window"),
]
REVERTED = [
    (3, "execution reverted: STF"),
    (3, "execution reverted: too many requests, rate limit exceeded"),
    (-32000, "execution reverted"),
    (-32015, "VM execution error."),
    (-32603, "EVM error OutOfGas"),
    (-32603, "VM Exception while processing transaction: reverted with reason string 'no'"),
    (-32000, "out of gas"),
    (-32000, "invalid opcode: INVALID"),
    (-38014, "insufficient funds for gas * price + value"),
    (-32000, "gas required exceeds allowance (5000000)"),
]
MISSING = [
    (-32601, "the method eth_simulateV1 does not exist/is not available"),
    (-32601, "Method not found"),
    (-32004, "method not supported"),
    (-32600, "eth_simulateV1 is not available on the free tier"),
    (-32000, "unsupported method"),
    (-32600, "Method eth_getBlockReceipts is not whitelisted"),
]
TOO_MUCH = [
    (-32600, "batch too large"),
    (-32003, "response too large"),
    (-32008, "Response is too big"),
    (-32600, "Batch of more than 10 requests are not allowed"),
    (-32000, "maximum batch size is 20"),
    (-38026, "too many blocks"),
    (0, "request entity too large"),
]
REFUSED = [
    (-32602, "too few arguments"),
    (-32602, "too many arguments, want at most 2"),
    (-32602, "invalid argument 1: json: cannot unmarshal"),
    (-32000, "nonce too low: next nonce 7, tx nonce 5"),
    (-32000, "replacement transaction underpriced"),
    (-32000, "max fee per gas less than block base fee: address 0x22, maxFeePerGas: 502, baseFee: 503"),
    (-32000, "already known"),
    (-32000, "some new sentence"),
]
SORTS: list[tuple[type[NodeError], list[tuple[int, str]]]] = [
    (NodeBusyError, BUSY),
    (BlockUnknownError, UNKNOWN),
    (StateGoneError, GONE),
    (CallRevertedError, REVERTED),
    (MethodMissingError, MISSING),
    (TooMuchAskedError, TOO_MUCH),
    (RequestRefusedError, REFUSED),
]


@pytest.mark.parametrize(
    ("sort", "code", "message"), [(sort, code, says) for sort, errors in SORTS for code, says in errors]
)
def test_each_error_has_its_sort(sort: type[NodeError], code: int, message: str) -> None:
    error = error_of("eth_call", code=code, message=message)
    assert type(error) is sort
    assert str(error).startswith("eth_call: ")
    assert str(error).endswith(f"{message} ({code}), HTTP 200")


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 522])
def test_a_busy_status_outweighs_the_words_inside(status: int) -> None:
    assert type(error_of_status("eth_call", status)) is NodeBusyError
    error = error_of("eth_call", code=1, message="some new sentence", status=status)
    assert type(error) is NodeBusyError
    assert f"HTTP {status}" in str(error)


@pytest.mark.parametrize(
    ("status", "sort"),
    [
        (400, RequestRefusedError),
        (401, RequestRefusedError),
        (403, RequestRefusedError),
        (413, TooMuchAskedError),
    ],
)
def test_other_statuses_are_refusals(status: int, sort: type[NodeError]) -> None:
    assert type(error_of_status("eth_call", status)) is sort


def test_what_a_wrong_url_leads_to_asks_for_the_url() -> None:
    for status in (301, 401, 403, 404):
        assert str(error_of_status("eth_call", status)) == (
            f"eth_call: the node answers HTTP {status}: is its URL right, and the key in it?"
        )
    assert "URL" not in str(error_of_status("eth_call", 400))


def test_a_state_that_is_gone_says_who_has_it() -> None:
    for code, message in GONE:
        assert "eth_call: the node no longer has the state of that block (an archive node has): " in str(
            error_of("eth_call", code=code, message=message)
        )


def test_a_page_is_a_busy_gateway_and_nothing_else_is() -> None:
    assert isinstance(error_of_page("eth_call", b"\n <!DOCTYPE html>"), NodeBusyError)
    assert error_of_page("eth_call", b"nul") is None


def test_a_refusal_is_never_passing_trouble() -> None:
    for sort, errors in SORTS:
        passes = sort in {NodeBusyError, BlockUnknownError, StateGoneError}
        for code, message in errors:
            assert isinstance(error_of("m", code=code, message=message), PASSING_TROUBLE) is passes
