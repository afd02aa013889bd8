"""Ask JSON-RPC questions one by one over a blocking connection, for code that drives a chain of this machine.

That chain is ours and has no key, so it needs none of the bounds and the sorting of `rpc.py`.
"""

import http.client
import itertools
from typing import Any

import msgspec

from pipeline.errors import DevnetError

_TIMEOUT_S = 60.0


class RpcRefusedError(DevnetError):
    """Raised where the node answered with an error."""

    def __init__(self, method: str, error: dict[str, Any]) -> None:
        super().__init__(f"{method}: {error.get('message', error)}")


class BlockingRpc:
    """A connection to one node, opened at the first call and again after a loss."""

    def __init__(self, host: str, port: int, *, timeout_s: float = _TIMEOUT_S) -> None:
        self._connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
        self._ids = itertools.count(1)

    def __call__(self, method: str, *params: Any) -> Any:
        """Call one method and return its result.

        Raises: RpcRefusedError if the node refuses, DevnetError if it does not answer.
        """
        request = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}
        answer = msgspec.json.decode(self._post(method, msgspec.json.encode(request)))
        if "error" in answer:
            raise RpcRefusedError(method, answer["error"])
        return answer["result"]

    def close(self) -> None:
        self._connection.close()

    def _post(self, method: str, body: bytes) -> bytes:
        try:
            self._connection.request("POST", "/", body, {"Content-Type": "application/json"})
            return self._connection.getresponse().read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise DevnetError(f"{method}: no answer from the devnet's chain: {error!r}") from error
