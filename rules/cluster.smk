"""
A cluster: whether this run hands jobs to one, and how soon it sees that they have ended. No rules.
"""


def on_cluster():
    """Return whether this process hands jobs to a cluster."""
    return workflow.is_main_process and workflow.non_local_exec


def look_steadily():
    """Let the Slurm plugin look for ended jobs at the interval of its setting.

    It would lengthen the interval by 10 s with every look, and a chunk waits for the end of the one before it.
    """
    if workflow.executor_plugin.name == "slurm":
        interval = workflow.executor_settings.init_seconds_before_status_checks
        workflow.executor_plugin.executor.next_seconds_between_status_checks = property(
            lambda executor: interval, lambda executor, longer: None
        )
