"""Deterministic simulation: the real code, many clients, one seed that decides everything."""
