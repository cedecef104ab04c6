"""The tables and texts that people write: concepts, templates, models, combos.

Comes in: the CSV files and texts of data/1_raw/, and the registry of combos.
Goes out: checked rows, rendered prompts, registered combos.
Never: knows a cohort or a generation, or makes a call.
"""

from .tables import (
    CATALOG_NAMES,
    CONCEPTS,
    DEFAULT_ENDPOINT,
    LEVELS,
    MODELS,
    OFFLINE,
    REPLICATION,
    Catalogs,
    Concept,
    Model,
    Template,
    concept_file,
    concept_text,
    existing_files,
    files,
    held,
    levels_behind,
    load,
    templates_table,
    texts,
)

__all__ = [
    "CATALOG_NAMES",
    "CONCEPTS",
    "DEFAULT_ENDPOINT",
    "LEVELS",
    "MODELS",
    "OFFLINE",
    "REPLICATION",
    "Catalogs",
    "Concept",
    "Model",
    "Template",
    "concept_file",
    "concept_text",
    "existing_files",
    "files",
    "held",
    "levels_behind",
    "load",
    "templates_table",
    "texts",
]
