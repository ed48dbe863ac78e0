"""Every host has its provider, no look-alike has, and the page of documentation has them all."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_aifootprint.detection.providers.asking import APIS
from pytest_aifootprint.detection.providers.hosts import HOSTS, provider_of

PAGE = Path(__file__).parents[4] / "docs" / "reference" / "providers.md"


@pytest.mark.parametrize(("host", "provider"), HOSTS)
def test_a_row_names_the_provider(host: str, provider: str) -> None:
    assert provider_of(host.replace("*", "some-where.1")) == provider


@pytest.mark.parametrize("host", sorted({host for host, _ in HOSTS}))
def test_a_look_alike_is_nobodys(host: str) -> None:
    host = host.replace("*", "x")
    assert provider_of(host + ".evil.example") is None
    assert provider_of(host.rpartition(".")[0] + "x" + host.rpartition(".")[2]) is None


def test_the_page_has_every_host_and_every_word() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for host, provider in HOSTS:
        row = next(line for line in page.splitlines() if line.startswith(f"| {provider} |"))
        assert f"`{host}`" in row
    for api in APIS:
        for end in api.ends - {b"compact", b"restart"}:
            assert end.decode() in page, end


def test_a_row_speaks_of_providers_that_there_are() -> None:
    providers = {provider for _, provider in HOSTS}
    for api in APIS:
        assert api.providers is None or api.providers <= providers
