"""How positions, goals, refusals and events of each kind of venue are shown to people."""
