"""The ledger on DynamoDB. PynamoDB stops here: nothing of it leaves this package."""
