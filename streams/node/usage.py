"""Count what a connection has asked of a node: requests and bytes."""

import msgspec


class Usage(msgspec.Struct):
    """Counts of requests since the connection was made."""

    requests: int = 0
    questions: int = 0
    """More than requests where several went out together."""
    received_bytes: int = 0
    """Unpacked, of responses that were read to their end."""

    def sent(self, questions: int) -> None:
        """Count a request and its questions."""
        self.requests += 1
        self.questions += questions
