"""Tests that call no model: they get no row in the footprint, and no part of it.

Most tests of most suites look like these. What they use is metered too, and is shown as "unattributed".
"""

from __future__ import annotations

import hashlib
import json


def test_settings_survive_a_round_trip() -> None:
    settings = {"model": "llama-3.2-1b", "temperature": 0, "stop": ["\n"]}
    assert json.loads(json.dumps(settings)) == settings


def test_words_are_counted() -> None:
    text = "a test without a model"
    assert len(text.split()) == 5


def test_work_without_a_model_is_no_ai_call() -> None:
    # Tens of milliseconds of CPU: this test is not free, it only calls no model.
    digest = hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 100_000)
    assert digest.hex().startswith("0394a2ede332c9a1")
