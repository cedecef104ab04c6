"""Fixtures that many tests share."""

from pathlib import Path

import pytest

from tests.project import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with one small cohort: 2 drafts, 4 essays (2 copied), 8 evaluations."""
    return Project(tmp_path)
