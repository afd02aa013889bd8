"""The calls by which each kind of venue is read, behind one port."""
