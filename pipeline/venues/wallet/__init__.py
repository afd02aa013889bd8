"""The wallets of books' owners: tokens, the native coin, allowances."""
