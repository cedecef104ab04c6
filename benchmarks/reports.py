"""Tables and pages of a store that is there, in this process."""

from workflow_lib import settings as settings_module
from workflow_lib.runs import Run, write_page, write_tables


def write(what: str, folder: str, cohort_id: str) -> None:
    """Write the ``tables`` or the ``pages`` of a cohort.

    Args:
        what: which of the two.
        folder: of the run.
        cohort_id: the cohort.
    """
    run = Run(settings_module.load({"cohort": cohort_id, "data_root": f"{folder}/data"}))
    {"tables": write_tables, "pages": write_page}[what](run, cohort_id)
