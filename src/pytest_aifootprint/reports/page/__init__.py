"""The HTML page: its templates, script and style, and what is worked out for them."""
