"""Channels that carry reminders: one module each; ``jifen.runtime`` names those in use."""
