"""F1: receipts and approvals as bytes: build, sign with a given signer, chain, judge. Stores nothing, asks nobody (docs/receipts.md)."""
