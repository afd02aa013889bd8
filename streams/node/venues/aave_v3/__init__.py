"""Reading Aave V3 from a node."""
