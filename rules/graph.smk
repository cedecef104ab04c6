"""
The graph of the rules: the whole method, also before a cohort is expanded and after its work is done. No rules.

`snakemake --rulegraph` draws the rules of the jobs that it knows. Of the generations it knows none before the
checkpoint has run, and later only those that are still to be made.
"""

from snakemake.dag import DAG
from snakemake.rules import Rule

METHOD = runs.rules_before(in_batches=bool(settings.batch))


def with_method(dag, graph):
    """Return a graph of rules with those that our rules depend on, and what these depend on."""
    named = {known.name: known for known in dag.rules}
    whole = {node: set(before) for node, before in graph.items()}
    waiting = list(whole)
    while waiting:
        node = waiting.pop()
        for name in METHOD.get(node.name.removeprefix(PREFIX), ()):
            before = named[f"{PREFIX}{name}"]
            whole[node].add(before)
            if before not in whole:
                whole[before] = set()
                waiting.append(before)
    return whole


def drawn_whole(draw):
    """Return a function of the DAG that draws a graph; one of rules is drawn with the whole method."""

    def drawn(dag, graph, *options, **named):
        if all(isinstance(node, Rule) for node in graph):
            graph = with_method(dag, graph)
        return draw(dag, graph, *options, **named)

    return drawn


DAG._dot = drawn_whole(DAG._dot)
DAG._mermaid_js = drawn_whole(DAG._mermaid_js)
