"""What watching an HTTP call takes is accounted to us, not to the test."""

import httpx

from pytest_aifootprint.detection import Recorder, Seams


def test_the_cpu_of_watching_a_call_is_ours() -> None:
    recorder = Recorder()
    seams = Seams.arm(recorder)
    try:
        client = httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200, json={"model": "m"})))
        for _ in range(20):
            client.post("https://api.openai.com/v1/chat/completions", json={"model": "m"})
    finally:
        seams.disarm()
    assert len(recorder.unowned) == 20
    assert 0 < recorder.own_ns < 1_000_000_000
