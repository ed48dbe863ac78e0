"""A small decoder of torch layers that writes tokens: random weights, real work."""

from __future__ import annotations

from typing import Any

import pytest

NEW_TOKENS = 256
BATCH = 8
PROMPT = 32


@pytest.fixture(scope="session")
def decoder() -> Any:
    import torch

    torch.manual_seed(1)
    layer = torch.nn.TransformerEncoderLayer(1024, 16, 4096, batch_first=True, norm_first=True)
    body = torch.nn.TransformerEncoder(layer, 12, enable_nested_tensor=False)
    model = torch.nn.Sequential(torch.nn.Embedding(8192, 1024), body, torch.nn.Linear(1024, 8192))
    return model.to("cuda", torch.bfloat16).eval()


@pytest.mark.parametrize("i", range(3))
def test_generate(i: int, decoder: Any, aifootprint: Any, truth: Any) -> None:
    import torch

    torch.manual_seed(i)
    with truth(f"generate-{i}"), torch.no_grad():
        tokens = torch.randint(0, 8192, (BATCH, PROMPT), device="cuda")
        for _ in range(NEW_TOKENS):
            following = decoder(tokens)[:, -1].argmax(-1, keepdim=True)
            tokens = torch.cat([tokens, following], dim=1)
        torch.cuda.synchronize()
    assert tokens.shape == (BATCH, PROMPT + NEW_TOKENS)
    aifootprint.record_call(
        model="small-decoder", input_tokens=BATCH * PROMPT, output_tokens=BATCH * NEW_TOKENS, locality="local"
    )
