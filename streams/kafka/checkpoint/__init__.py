"""A shard's store: open it (fence the former owner, then load), commit a batch, close it.

`port` says what one must do, `kafka` does it on a broker, `fake` in memory; both pass the same tests.
"""
