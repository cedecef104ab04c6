"""From a declaration to the list of generations that it stands for.

Comes in: a spec, the active catalog, a list of essays or drafts, or an older tool's membership.csv.
Goes out: membership.csv, tasks/, manifest.json.
Never: looks at an answer, beyond what the store's metadata.json says of its origin.
"""

from .expansion import Expansion, differing_counts, expand_source, load_membership, write
from .manifest import changed_freeze, differs_from_manifest, read_manifest
from .membership import read_ids
from .sources import AUTO, Source, existing, resolve, spec_source, unused_selection

__all__ = [
    "AUTO",
    "Expansion",
    "Source",
    "changed_freeze",
    "differing_counts",
    "differs_from_manifest",
    "existing",
    "expand_source",
    "load_membership",
    "read_ids",
    "read_manifest",
    "resolve",
    "spec_source",
    "unused_selection",
    "write",
]
