"""The messages that cross a topic. Read `events` (in) first, then `decisions` and `views` (out)."""
