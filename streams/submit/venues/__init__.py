"""The signer's half of each kind of venue: what it may call there, and what that may cost. Shares no code with the pure half."""
