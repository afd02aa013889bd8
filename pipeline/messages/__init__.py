"""The messages on the topics. Read `events` (in) first, then `decisions` and `views` (out)."""
