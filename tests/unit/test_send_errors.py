"""Answers of node clients to a sent transaction, in their own words, and their meaning."""

import pytest

from streams.submit.send_errors import SendOutcome, joint, outcome_of, refusal_of

GETH = {
    "already known": "known",
    "nonce too low: next nonce 8, tx nonce 7": "nonce_too_low",
    "nonce too low: address 0x5151515151515151515151515151515151515151, tx: 7 state: 8": "nonce_too_low",
    "insufficient funds for gas * price + value: balance 1, tx cost 2, overshot 1": "funds",
    "insufficient funds for gas * price + value: balance 1, queued cost 1, tx cost 2, overshot 2": "funds",
    "insufficient funds for transfer": "funds",
    "txpool is full": "full",
    "account limit exceeded": "full",
    "account limit exceeded: pooled 16 txs": "full",
    "future transaction tries to replace pending": "full",
    "address already reserved": "full",
    "in-flight transaction limit reached for delegated accounts": "full",
    "gapped-nonce tx from delegated accounts": "full",
    "transaction underpriced": "underpriced",
    "transaction underpriced: gas tip cap 1, minimum needed 1000000": "underpriced",
    "transaction gas price below minimum: gas tip cap 1, minimum needed 1000000": "underpriced",
    "replacement transaction underpriced": "underpriced",
    "replacement transaction underpriced: new tx gas fee cap 5 < 6 queued": "underpriced",
    "max fee per gas less than block base fee: address 0x51, maxFeePerGas: 1, baseFee: 2": "underpriced",
    "intrinsic gas too low": "invalid",
    "intrinsic gas too low: gas 20000, minimum needed 21000": "invalid",
    "insufficient gas for floor data gas cost: gas 21000, minimum needed 40000": "invalid",
    "exceeds block gas limit": "invalid",
    "transaction gas limit too high (cap: 16777216, tx: 30000000)": "invalid",
    "gas uint64 overflow": "invalid",
    "negative value": "invalid",
    "oversized data": "invalid",
    "oversized data: transaction size 140000, limit 131072": "invalid",
    "invalid sender": "invalid",
    "invalid chain id for signer: have 1 want 31337": "invalid",
    "sender not an eoa: address 0x51, len(code): 100": "invalid",
    "transaction type not supported": "invalid",
    "max priority fee per gas higher than max fee per gas: address 0x51": "invalid",
    "tx fee (1.21 ether) exceeds the configured cap (1.00 ether)": "invalid",
    "only replay-protected (EIP-155) transactions allowed over RPC": "invalid",
    "rlp: expected input list for types.DynamicFeeTx": "invalid",
    "nonce has max value: address 0x51, nonce: 18446744073709551615": "invalid",
}
NETHERMIND = {
    "AlreadyKnown": "known",
    "OldNonce, Current nonce: 8, nonce of rejected tx: 7": "nonce_too_low",
    "InsufficientFunds, Account balance: 0, cumulative cost: 21000": "funds",
    "insufficient funds for gas * price + value": "funds",
    "PendingTxsOfConflictingType": "full",
    "pending transaction type conflict": "full",
    "DelegatorHasPendingTx": "full",
    "delegation authority has pending transaction": "full",
    "NotCurrentNonceForDelegation": "full",
    "FeeTooLow, MaxFeePerGas too low. MaxFeePerGas: 1, BaseFee: 2, MaxPriorityFeePerGas: 1": "underpriced",
    "FeeTooLowToCompete": "underpriced",
    "ReplacementNotAllowed": "underpriced",
    "gas limit reached": "invalid",
    "GasLimitExceeded": "invalid",
    "FailedToResolveSender": "invalid",
    "failed to recover sender": "invalid",
    "SenderIsContract": "invalid",
    "Int256Overflow": "invalid",
    "transaction cost overflow": "invalid",
    "Invalid": "invalid",
    "Invalid, Transaction type EIP1559 is not supported.": "invalid",
    "transaction invalid": "invalid",
    "NotSupportedTxType": "invalid",
    "unsupported transaction type": "invalid",
    "MaxTxSizeExceeded": "invalid",
    "transaction too large": "invalid",
    "NonceGap": "busy",
    "NonceTooFarInFuture": "busy",
    "nonce too far in future": "busy",
    "Syncing": "busy",
    "node is syncing": "busy",
}
ERIGON = {
    "ALREADY_EXISTS: already known": "known",
    "ALREADY_EXISTS: existing tx with same hash": "known",
    "INTERNAL_ERROR: existing txn with same hash": "known",
    "INTERNAL_ERROR: nonce too low": "nonce_too_low",
    "STALE: mined": "nonce_too_low",
    "INTERNAL_ERROR: insufficient funds": "funds",
    "INTERNAL_ERROR: pending sub-pool is full": "full",
    "INTERNAL_ERROR: baseFee sub-pool is full": "full",
    "INTERNAL_ERROR: queued sub-pool is full": "full",
    "INTERNAL_ERROR: spammer": "full",
    "FEE_TOO_LOW: underpriced": "underpriced",
    "FEE_TOO_LOW: fee too low": "underpriced",
    "INTERNAL_ERROR: replacement transaction underpriced": "underpriced",
    "INTERNAL_ERROR: could not replace existing tx": "underpriced",
    "INTERNAL_ERROR: IntrinsicGas": "invalid",
    "INTERNAL_ERROR: GasUintOverflow": "invalid",
    "INTERNAL_ERROR: RLPTooLong": "invalid",
    "INTERNAL_ERROR: gas limit too high. Max: 16777216": "invalid",
    "INVALID: invalid sender": "invalid",
    "INTERNAL_ERROR: initcode too large": "invalid",
    "INTERNAL_ERROR: fork supporting this transaction type is not activated yet": "invalid",
}
BESU = {
    "Known transaction": "known",
    "Nonce too low": "nonce_too_low",
    "Upfront cost exceeds account balance": "funds",
    "Replacement transaction underpriced": "underpriced",
    "Gas price below configured minimum gas price": "underpriced",
    "Gas price below current base fee": "underpriced",
    "Intrinsic gas exceeds gas limit": "invalid",
    "Transaction gas limit exceeds block gas limit": "invalid",
    "Invalid signature": "invalid",
    "Invalid transaction type": "invalid",
    "Wrong chainId": "invalid",
    "ChainId not supported": "invalid",
    "Transaction fee cap exceeded": "invalid",
    "Sender account not authorized to send transactions": "invalid",
    "Nonce too high": "busy",
    "Initial sync is still in progress": "busy",
}
RETH = {
    "already known": "known",
    "nonce too low: next nonce 8, tx nonce 7": "nonce_too_low",
    "insufficient funds for gas * price + value: have 1 want 2": "funds",
    "txpool is full": "full",
    "transaction underpriced": "underpriced",
    "replacement transaction underpriced": "underpriced",
    "max fee per gas less than block base fee": "underpriced",
    "exceeds block gas limit": "invalid",
    "failed to decode signed transaction": "invalid",
    "sender is not an EOA": "invalid",
    "invalid transaction signature": "invalid",
    "nonce too high": "busy",
}
ANVIL = {
    "transaction already imported": "known",
    "[0x3fdb67b7f6e8dcd1b2c7e0a8a9c9e6c5b4a39281706f5e4d3c2b1a0918273645] already Imported": "known",
    "nonce too low": "nonce_too_low",
    "Insufficient funds for gas * price + value": "funds",
    "replacement transaction underpriced": "underpriced",
    "max fee per gas less than block base fee": "underpriced",
    "intrinsic gas too low -- CallGasCostMoreThanGasLimit": "invalid",
    "Failed to decode transaction": "invalid",
}
PROVIDERS = {
    "daily request count exceeded, request rate limited": "busy",
    "Too Many Requests": "busy",
    "project ID request rate exceeded": "busy",
    "Your app has exceeded its compute units per second capacity": "busy",
    "request timed out": "busy",
    "context deadline exceeded": "busy",
    "Internal error": "busy",
    "Unauthorized": "unclear",
    "Invalid API key": "unclear",
    "you are not authorized to use this method": "unclear",
    "execution reverted": "unclear",
    "unknown transaction kind": "unclear",
    "Invalid Request": "unclear",
    "invalid params": "unclear",
    "": "unclear",
}
CLIENTS = {
    "geth": GETH,
    "nethermind": NETHERMIND,
    "erigon": ERIGON,
    "besu": BESU,
    "reth": RETH,
    "anvil": ANVIL,
    "providers": PROVIDERS,
}
CASES = [(client, says, kind) for client, words in CLIENTS.items() for says, kind in words.items()]


@pytest.mark.parametrize(("client", "says", "kind"), CASES, ids=[f"{c}: {s[:60]}" for c, s, _ in CASES])
def test_each_clients_words_mean_what_the_client_means(client, says, kind):
    assert outcome_of(says).kind == kind
    asked = f"eth_sendRawTransaction: {says} (-32000), HTTP 200"  # as it comes out of the connection
    assert outcome_of(asked) == SendOutcome(kind, asked)


@pytest.mark.parametrize(
    ("says", "kind"),
    [
        ("eth_sendRawTransaction: no answer within 10 s", "busy"),
        ("eth_sendRawTransaction: the node is busy: HTTP 429", "busy"),
        ("eth_sendRawTransaction: the node is busy: limit exceeded (-32005), HTTP 200", "busy"),
        # Besu's code for it is the one that others use for a rate limit
        (
            "eth_sendRawTransaction: the node is busy: Transaction gas limit exceeds block gas limit (-32005)",
            "invalid",
        ),
    ],
)
def test_a_node_that_does_not_answer_is_busy_unless_its_words_say_more(says, kind):
    assert outcome_of(says, otherwise="busy").kind == kind


def test_only_a_real_no_is_kept_in_the_journal():
    kept = {kind: refusal_of(outcome_of(says)) for says, kind in (GETH | PROVIDERS | NETHERMIND).items()}
    assert {kind for kind, refusal in kept.items() if refusal} == {"funds", "full", "underpriced", "invalid"}
    assert len(refusal_of(SendOutcome("full", "x" * 1_000)).says) == 200


@pytest.mark.parametrize(
    ("kinds", "kind"),
    [
        (["busy", "taken"], "taken"),
        (["invalid", "known"], "known"),
        (["busy", "underpriced"], "underpriced"),
        (["underpriced", "full"], "full"),
        (["invalid", "funds"], "funds"),
        (["invalid", "underpriced"], "underpriced"),
        (["unclear", "invalid"], "invalid"),
        (["nonce_too_low", "underpriced"], "nonce_too_low"),
        (["busy", "busy"], "busy"),
    ],
)
def test_of_several_nodes_the_mildest_refusal_counts(kinds, kind):
    assert joint([SendOutcome(each) for each in kinds]).kind == kind
    assert joint([SendOutcome(each) for each in reversed(kinds)]).kind == kind
