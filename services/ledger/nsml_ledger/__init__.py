"""The ledger service: credits, by double entry."""
