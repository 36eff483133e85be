"""The rules of earning: how they are written and what they give."""
