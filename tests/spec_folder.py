"""Folders of specs, and what reading them gives."""

from pathlib import Path

import pytest

from workflow_lib.spec import SpecError, load, rows


def write(folder: Path, config: str, **items: str) -> Path:
    """Write a spec folder; an item named levels_csv becomes items/levels.csv."""
    (folder / "items").mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(config, encoding="utf-8")
    for name, text in items.items():
        (folder / "items" / ".".join(name.rsplit("_", 1))).write_text(text, encoding="utf-8")
    return folder


def values(folder: Path, config: str, seed: int | None = None, **items: str) -> list[str]:
    """Return the rows of a spec, each as its values joined by blanks."""
    return [" ".join(row.values()) for row in rows(load(write(folder, config, **items)), seed)]


def failure(folder: Path, config: str, **items: str) -> SpecError:
    with pytest.raises(SpecError) as caught:
        rows(load(write(folder, config, **items)))
    error = caught.value
    assert error.file.startswith(str(folder))
    assert error.hint
    return error


AB = "axes: {a: [a1, a2, a3], b: [b1, b2]}\n"
OUT_AB = "output: {field_order: [a, b]}\n"
