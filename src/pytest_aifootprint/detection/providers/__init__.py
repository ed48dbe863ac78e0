"""Pure parsers: one per API. They know bytes and names, and no client library."""
