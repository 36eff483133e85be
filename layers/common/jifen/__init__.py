"""Jifen: a loyalty-points ledger on one DynamoDB table.

    functions/<name>/app.py  ->  jifen.runtime  ->  jifen.service  ->  jifen.domain
                                      |
                                      +->  jifen.store, jifen.adapters (behind jifen.service.ports)

``domain`` is pure, ``service`` holds one module per use case, ``store`` is the only place that knows DynamoDB and
``runtime`` the only one that reads the environment and the clock.
"""

__version__ = "0.1.0"
