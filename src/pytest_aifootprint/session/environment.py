"""Where a run came from, as its environment says: CI system and commit. Nothing is asked over the network."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

# Variable that marks the system, its name, and the variables worth keeping: public facts of the run, no tokens.
_SYSTEMS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("GITHUB_ACTIONS", "github", ("GITHUB_RUN_ID", "GITHUB_JOB", "RUNNER_ENVIRONMENT", "RUNNER_OS", "RUNNER_ARCH")),
    ("GITLAB_CI", "gitlab", ("CI_PIPELINE_ID", "CI_JOB_NAME")),
    ("CIRCLECI", "circleci", ("CIRCLE_BUILD_NUM", "CIRCLE_JOB")),
    ("TF_BUILD", "azure-pipelines", ("BUILD_BUILDID",)),
    ("BUILDKITE", "buildkite", ("BUILDKITE_BUILD_NUMBER",)),
    ("JENKINS_URL", "jenkins", ("BUILD_NUMBER", "JOB_NAME")),
)
_COMMITS = ("GITHUB_SHA", "CI_COMMIT_SHA", "CIRCLE_SHA1", "BUILD_SOURCEVERSION", "BUILDKITE_COMMIT", "GIT_COMMIT")


def ci_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The CI system with its public variables; empty outside CI."""
    for marker, name, variables in _SYSTEMS:
        if environ.get(marker):
            return {"system": name} | {v.lower(): environ[v] for v in variables if environ.get(v)}
    return {"system": "unknown"} if environ.get("CI") else {}


def commit(rootpath: Path, environ: Mapping[str, str] = os.environ) -> str | None:
    """The commit under test: of the environment, else of the checkout, read as files; None if there is none."""
    for name in _COMMITS:
        if environ.get(name):
            return environ[name]
    for folder in (rootpath, *rootpath.parents):
        git = folder / ".git"
        if git.is_dir():
            return _head(git)
    return None


def _head(git: Path) -> str | None:
    try:
        head = (git / "HEAD").read_text().strip()
        if not head.startswith("ref: "):
            return head or None
        ref = head.removeprefix("ref: ")
        loose = git / ref
        if loose.is_file():
            return loose.read_text().strip()
        for line in (git / "packed-refs").read_text().splitlines():
            if line.endswith(f" {ref}"):
                return line.split()[0]
    except OSError:
        return None
    return None
