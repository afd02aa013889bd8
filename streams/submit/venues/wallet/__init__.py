"""The owner's wallet for a signer: allowances for venues' contracts, and the wrapping of the chain's coin."""
