// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

interface IToken {
    function transfer(address to, uint256 amount) external returns (bool);
    function transferFrom(address from, address to, uint256 amount) external returns (bool);
}

/// A perpetual future of one pair, shorts alone, for tests. Orders are requested here and carried out or cancelled by a keeper.
/// Prices, and what funding has paid a short per unit since the beginning, are raw quote per raw base times 2 ** 96.
contract ToyPerp {
    struct Account {
        uint256 size; // raw base, short
        uint256 sold; // what the size was sold for, raw quote
        int256 margin; // raw quote
        int256 paid; // the index up to which funding is in the margin
        uint256 order; // its number; 0: none
        int256 change;
        uint256 limit; // the worst price for it
        bool taken; // a keeper has it: whether it is carried out is not known yet
    }

    uint256 public constant ONE = 2 ** 96;
    uint256 public immutable step;
    uint256 public immutable cap; // of all sizes together
    uint256 public constant INITIAL_BPS = 1_000;
    uint256 public constant MAINTENANCE_BPS = 500;
    IToken public immutable quote;
    uint256 public price;
    int256 public rate; // paid to a short per unit and second
    int256 public index;
    uint256 public indexAt;
    uint256 public open; // all sizes together
    uint256 public orders;
    mapping(address => Account) internal accounts;

    event PriceSet(uint256 price);
    event FundingSet(int256 rate, int256 index);
    event MarginMoved(address indexed account, int256 change);
    event Requested(address indexed account, uint256 order, int256 change, uint256 limit);
    event Taken(address indexed account, uint256 order);
    event Executed(address indexed account, uint256 order, int256 change, uint256 price);
    event Cancelled(address indexed account, uint256 order, bytes32 reason);
    event Liquidated(address indexed account, uint256 size, int256 taken, address by);

    constructor(IToken quote_, uint256 step_, uint256 cap_, uint256 price_) {
        (quote, step, cap, price, indexAt) = (quote_, step_, cap_, price_, block.timestamp);
    }

    // ------------------------------------------------------------------ what an account does
    function deposit(uint256 amount) external {
        quote.transferFrom(msg.sender, address(this), amount);
        _paidUp(msg.sender).margin += int256(amount);
        emit MarginMoved(msg.sender, int256(amount));
    }

    function withdraw(uint256 amount) external {
        Account storage a = _paidUp(msg.sender);
        a.margin -= int256(amount);
        require(_isSecured(a, INITIAL_BPS), "margin");
        quote.transfer(msg.sender, amount);
        emit MarginMoved(msg.sender, -int256(amount));
    }

    function request(int256 change, uint256 limit) external {
        Account storage a = accounts[msg.sender];
        require(change != 0 && change % int256(step) == 0, "size");
        require(a.order == 0, "one order at a time");
        (a.order, a.change, a.limit) = (++orders, change, limit);
        emit Requested(msg.sender, a.order, change, limit);
    }

    // ------------------------------------------------------------------ what a keeper does
    function take(address account) external {
        accounts[account].taken = true;
        emit Taken(account, accounts[account].order);
    }

    /// Forget an order and say nothing of it: nobody can tell from here what became of it.
    function lose(address account) external {
        _forget(accounts[account]);
    }

    function execute(address account) external {
        Account storage a = _paidUp(account);
        require(a.order != 0, "no order");
        if (a.change > 0 ? price < a.limit : price > a.limit) return _cancel(account, "price");
        Account memory was = a;
        uint256 amount = uint256(a.change > 0 ? a.change : -a.change);
        if (a.change > 0) {
            a.size += amount;
            a.sold += amount * price / ONE;
        } else {
            if (amount > a.size) return _cancel(account, "size");
            uint256 part = a.sold * amount / a.size;
            a.margin += int256(part) - int256(_up(amount * price, ONE));
            a.size -= amount;
            a.sold -= part;
        }
        if (a.change > 0 && (open + amount > cap || !_isSecured(a, INITIAL_BPS))) {
            (a.size, a.sold) = (was.size, was.sold);
            return _cancel(account, open + amount > cap ? bytes32("open interest") : bytes32("margin"));
        }
        open = open + a.size - was.size;
        emit Executed(account, was.order, was.change, price);
        _forget(a);
    }

    function cancel(address account, bytes32 reason) external {
        require(_paidUp(account).order != 0, "no order");
        _cancel(account, reason);
    }

    function liquidate(address account) external {
        Account storage a = _paidUp(account);
        require(!_isSecured(a, MAINTENANCE_BPS), "healthy");
        int256 left = _equity(a);
        int256 taken = a.margin + int256(a.sold) - (left > 0 ? left : int256(0));
        emit Liquidated(account, a.size, taken, msg.sender);
        open -= a.size;
        (a.size, a.sold, a.margin) = (0, 0, left > 0 ? left : int256(0));
    }

    function setPrice(uint256 price_) external {
        price = price_;
        emit PriceSet(price_);
    }

    function setFunding(int256 rate_) external {
        (index, indexAt, rate) = (_indexNow(), block.timestamp, rate_);
        emit FundingSet(rate_, index);
    }

    // ------------------------------------------------------------------ what can be asked
    function account(address who) external view returns (Account memory) {
        return accounts[who];
    }

    function market() external view returns (uint256, int256, int256, uint256, uint256) {
        return (price, rate, index, indexAt, open);
    }

    /// What stands against the size, and what is left of it once the size is bought back.
    function worth(address who) external view returns (int256 collateral, int256 equity) {
        Account memory a = accounts[who];
        a.margin += _funding(a);
        return (a.margin + int256(a.sold), _equity(a));
    }

    // ------------------------------------------------------------------ inside
    function _cancel(address account, bytes32 reason) internal {
        emit Cancelled(account, accounts[account].order, reason);
        _forget(accounts[account]);
    }

    function _forget(Account storage a) internal {
        (a.order, a.change, a.limit, a.taken) = (0, 0, 0, false);
    }

    function _paidUp(address account) internal returns (Account storage a) {
        a = accounts[account];
        a.margin += _funding(a);
        a.paid = _indexNow();
    }

    function _indexNow() internal view returns (int256) {
        return index + rate * int256(block.timestamp - indexAt);
    }

    function _funding(Account memory a) internal view returns (int256) {
        int256 due = int256(a.size) * (_indexNow() - a.paid);
        return due >= 0 ? due / int256(ONE) : -int256(_up(uint256(-due), ONE));
    }

    function _equity(Account memory a) internal view returns (int256) {
        return a.margin + int256(a.sold) - int256(_up(a.size * price, ONE));
    }

    function _isSecured(Account memory a, uint256 bps) internal view returns (bool) {
        return _equity(a) * 10_000 >= int256(bps * _up(a.size * price, ONE));
    }

    function _up(uint256 a, uint256 b) internal pure returns (uint256) {
        return (a + b - 1) / b;
    }
}
