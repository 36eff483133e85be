"""The world outside the ledger: shops that send webhooks, queues, and channels that carry reminders."""
