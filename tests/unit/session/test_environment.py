"""CI system and commit, as environment and checkout tell them."""

from pathlib import Path

import pytest

from pytest_aifootprint.session.environment import ci_environment, commit

SHA = "0123456789abcdef0123456789abcdef01234567"


def test_the_ci_system_is_named_with_public_facts_only() -> None:
    environ = {"GITHUB_ACTIONS": "true", "GITHUB_RUN_ID": "7", "GITHUB_TOKEN": "secret", "CI": "true"}
    assert ci_environment(environ) == {"system": "github", "github_run_id": "7"}
    assert ci_environment({"CI": "1"}) == {"system": "unknown"}
    assert ci_environment({}) == {}


def test_the_commit_comes_from_the_environment_first(tmp_path: Path) -> None:
    assert commit(tmp_path, {"GITHUB_SHA": SHA}) == SHA


@pytest.mark.parametrize("how", ["detached", "loose", "packed"])
def test_the_commit_is_read_from_the_checkout(tmp_path: Path, how: str) -> None:
    git = tmp_path / ".git"
    (git / "refs" / "heads").mkdir(parents=True)
    (git / "HEAD").write_text(f"{SHA}\n" if how == "detached" else "ref: refs/heads/main\n")
    if how == "loose":
        (git / "refs" / "heads" / "main").write_text(f"{SHA}\n")
    if how == "packed":
        (git / "packed-refs").write_text(f"# pack-refs\n{SHA} refs/heads/main\n")
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert commit(below, {}) == SHA


def test_no_checkout_or_a_broken_one_is_no_commit(tmp_path: Path) -> None:
    assert commit(tmp_path, {}) is None or (Path("/") / ".git").is_dir()
    (tmp_path / ".git").mkdir()
    assert commit(tmp_path, {}) is None
