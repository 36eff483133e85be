"""What the ledger believes: pure functions on frozen values, standard library only."""
