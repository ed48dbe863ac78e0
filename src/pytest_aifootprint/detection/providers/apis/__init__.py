"""The APIs: one pure parser a file, each with its row ``API``."""
