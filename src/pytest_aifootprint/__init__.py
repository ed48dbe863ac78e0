"""A pytest plugin that meters AI-assisted tests."""
