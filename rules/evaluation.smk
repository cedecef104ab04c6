"""
Evaluations: from an essay to the score that a judge gives it.

REQUIRED INPUTS:  data/cohorts/{cohort}/membership.csv      (rules/cohort.smk)
                  data/1_raw/templates/evaluation/{template_id}.txt
                  data/gens/essay/{parent_gen_id}/parsed.txt
OUTPUTS:          data/gens/evaluation/{gen_id}/raw.txt          paid for, kept verbatim
                  data/gens/evaluation/{gen_id}/parsed.txt       free to rebuild
"""


rule evaluation_raw:
    """Render the prompt, buy one answer, keep it verbatim. One of the three rules that cost money."""
    input:
        # ancient: an edited text must not buy again what exists; `daydream status` calls it stale
        template=template_of("evaluation"),
        parent=parent_of("evaluation"),
    output:
        # update(): an answer is never deleted because a job failed or was killed. The library writes
        # prompt.txt and the metadata beside it: every declared output costs time in every job
        raw=update(f"{GENS}/evaluation/{{gen_id}}/raw.txt"),
    log:
        "logs/evaluation_raw/{gen_id}.log",
    threads: threads_of("evaluation")
    resources:
        **pool_slots("evaluation"),
    run:
        with logged(log[0]) as say:
            runs.buy(run_of, caller, entry_of("evaluation", wildcards), say)


rule evaluation_parsed:
    """Take the part that counts out of the answer. Free, and done again when the parser changes."""
    input:
        raw=raw_to_parse("evaluation"),
    output:
        parsed=update(f"{GENS}/evaluation/{{gen_id}}/parsed.txt"),
    log:
        "logs/evaluation_parsed/{gen_id}.log",
    # no slot of --cores: it belongs to the next call
    threads: 0
    run:
        with logged(log[0]):
            generations.parse(settings, entry_of("evaluation", wildcards))


rule evaluation_batch:
    """In batch mode: make the evaluations of a chunk, their calls in parallel, instead of the two jobs of each."""
    input:
        # markers, not texts: one parent that cannot be parsed must not hold back the others
        chunks_before("evaluation"),
    output:
        f"{BATCHES}/{{run}}/{{scope}}/{{cohort}}/evaluation/{{index}}-{{digest}}.json",
    log:
        "logs/evaluation_batch/{run}/{scope}-{cohort}-{index}-{digest}.log",
    threads: CHUNK_THREADS
    run:
        make_chunk("evaluation", wildcards, output[0], log[0])


rule evaluations:
    """Every evaluation of the cohort."""
    input:
        MEMBERSHIPS,
        open_of("evaluation"),
