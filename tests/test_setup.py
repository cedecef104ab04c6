"""What a stranger does first: the README's set-up in a fresh clone with an environment of its own."""

import shutil
import sys
from pathlib import Path

import pytest
import yaml

from tests.project import SOURCE, shell


def sh(folder: Path, command: str) -> str:
    return shell(folder, command, {"PYTHONPATH": ""}, timeout=1500)


@pytest.mark.full
@pytest.mark.skipif(not (SOURCE / ".git").exists(), reason="no clone to be made")
def test_set_up_commands_of_the_readme_work_in_a_fresh_clone_whose_path_has_a_blank(tmp_path):
    base = shutil.which(f"python{sys.version_info.major}.{sys.version_info.minor}") or "python3"
    sh(tmp_path, f"git clone -q '{SOURCE}' 'my clone'")
    clone = tmp_path / "my clone"

    said = sh(clone, f"make run PYTHON={base}")

    page = clone / "data" / "cohorts" / "demo" / "reports" / "html" / "index.html"
    assert page.is_file() and str(page) in said
    assert "Nothing to be done" in sh(clone, ".venv/bin/snakemake -n --config cohort=demo")
    assert "486" not in sh(clone, ".venv/bin/daydream status --cohort demo")
    # `make test` does the same set-up, and then runs the tests: of these, one file
    assert "pip install" not in sh(clone, f"make -n test PYTHON={base}")
    assert " passed" in sh(clone, ".venv/bin/python -m pytest -q tests/test_ids.py")
    assert sh(clone, "git status --porcelain -- . ':!data'") == ""


def test_what_the_catalog_of_workflows_reads_is_there():
    usage = yaml.safe_load((SOURCE / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert set(usage) == {"mandatory-flags", "software-stack-deployment", "report"} and usage["report"] is True
    assert (SOURCE / "config" / "README.md").read_text().startswith("# Configuration")
    citation = yaml.safe_load((SOURCE / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0" and citation["license"] == "MIT"
    # the version is said in pyproject.toml alone
    assert "version" not in citation
