"""The REST API: one module per group of addresses, problems as problem+json."""
