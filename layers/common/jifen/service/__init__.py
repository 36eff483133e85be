"""One module per use case: load, decide, commit. What they need from outside is declared in :mod:`ports`."""
