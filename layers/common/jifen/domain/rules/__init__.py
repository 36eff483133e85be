"""Earning rules: what they are (model), how they are written (reading), what they give (engine)."""
