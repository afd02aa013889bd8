"""The signer's half of each kind of venue: permitted calls and their cost. It shares no code with the pure half."""
