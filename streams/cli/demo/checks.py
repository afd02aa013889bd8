"""Check decisions against the chain's own answers while the chain still has the block."""

from collections import Counter
from typing import Any

from msgspec.structs import replace

from pipeline import keys
from pipeline.act.guards import passing_reasons
from pipeline.units import BookId
from streams.cli.demo.second_opinion import HEDGE_TRIGGERS, ChainInventory, inventory_at, objections
from streams.cli.demo.stage import Stage
from streams.cli.demo.witness import Witness


class Checks:
    """Every proposal, and the first refusal of each reason, recomputed at its block."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._seen = 0
        self._reasons: set[tuple[str, str]] = set()
        self.last_proposed_at_s: dict[str, int] = {}
        self.checked: Counter[str] = Counter()
        """By what called for a proposal, or why there was none."""
        self.views: Counter[str] = Counter()
        """By book."""
        self.objections: list[str] = []

    def judge_new(self, witness: Witness, orphaned: set[str]) -> None:
        """Judge what was decided since the last look."""
        refused = {
            _cause(said)
            for said in witness.alerts
            if said["type"] == "StepRefused" and said["reason"] in passing_reasons()
        }
        while self._seen < len(witness.decisions):
            said = witness.decisions[self._seen]
            self._seen += 1
            self._judge(said, orphaned)
            if said["type"] == "RebalanceProposed" and _cause(said) not in refused:
                at_s = int(said["because_of"]["block"]["timestamp_s"])
                self.last_proposed_at_s[said["book"]] = at_s

    def _judge(self, said: dict[str, Any], orphaned: set[str]) -> None:
        kind = said["reason"] if said["type"] == "Declined" else said["trigger"]
        if said["type"] == "Declined":
            if (said["book"], kind) in self._reasons:
                return
            self._reasons.add((said["book"], kind))
        block = said["because_of"]["block"]
        where = f"{said['id']} ({kind}, {said['book']}, block {block['number']})"
        self.checked[kind] += 1
        chain = self._stage.devnet.chain
        number = int(block["number"])
        if chain.header(number).hash != block["hash"]:
            if block["hash"] not in orphaned:
                self.objections.append(f"{where}: its block is not on the chain")
            return
        if kind == "not_observed":
            if said["value_quote"] is not None or not said["item"]:
                self.objections.append(f"{where}: numbers of a book that is not known")
            return
        terms = self._stage.terms(said["book"])
        if said.get("trigger") not in HEDGE_TRIGGERS:
            terms = replace(terms, lending=())  # a re-range is judged without what is at the hedge's venue
        found = inventory_at(chain, self._stage.world, terms, number)
        last_s = self.last_proposed_at_s.get(said["book"])
        self.objections += [f"{where}: {wrong}" for wrong in objections(said, found, terms, last_s)]

    def judge_view(self, witness: Witness, book: str) -> None:
        """Hold the present view of a book against the chain, token by token."""
        view = witness.books.get(keys.book(BookId(book)))
        if view is None:
            return
        block, chain = view["because_of"]["block"], self._stage.devnet.chain
        if chain.header(int(block["number"])).hash != block["hash"]:
            return
        found = inventory_at(chain, self._stage.world, self._stage.terms(book), int(block["number"]))
        self.views[book] += 1
        said, theirs = _said(view), _found(found, with_shares="shares" in view)
        if said != theirs:
            where = f"the view of {book} at block {block['number']}"
            self.objections.append(f"{where}: {said} said, {theirs} found")


def _said(view: dict[str, Any]) -> dict[str, Any]:
    """Write a view as token, net amount, and where it tells them value and share of each."""
    told: dict[str, Any] = {each["token"]: [_net(each)] for each in view["holdings"]}
    for each in view.get("shares", ()):
        told[each["token"]] += [int(each["value_quote"]), int(each["share_bps"])]
    return told | {"value": int(view["value_quote"])}


def _found(found: ChainInventory, *, with_shares: bool) -> dict[str, Any]:
    """Write what the chain tells in the form of a view."""
    told: dict[str, Any] = {token: [amount] for token, amount in found.amounts.items()}
    for token, worth in found.values_quote.items() if with_shares else ():
        told[token] += [worth, worth * 10_000 // found.value_quote]
    return told | {"value": found.value_quote}


def _net(holding: dict[str, str]) -> int:
    kinds = ("wallet", "native", "principal", "fees", "collateral", "debt")
    return sum(int(holding.get(kind, 0)) for kind in kinds)


def _cause(said: dict[str, Any]) -> tuple[str, str, str]:
    """Name a book's turn at one record of the log: a proposal that is refused there starts no cooldown."""
    because_of = said["because_of"]
    return said["book"], because_of["shard"], because_of["offset"]
