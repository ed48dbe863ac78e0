"""What the assistant is asked to summarise, live in ``test_assistant.py`` and replayed in ``test_replayed.py``."""

ARTICLE = (
    "Training a large model costs far more than asking it once. "
    "A model that is shared and kept spreads that cost over everyone who uses it. "
    "Measure both before you decide."
)
SUMMARY = "Training a large model costs far more than asking it once."
