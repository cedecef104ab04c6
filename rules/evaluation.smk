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
        batch=batch_of("evaluation"),
    output:
        # update(): an answer is never deleted because a job failed or was killed
        prompt=update(f"{GENS}/evaluation/{{gen_id}}/prompt.txt"),
        raw=update(f"{GENS}/evaluation/{{gen_id}}/raw.txt"),
        metadata=update(f"{GENS}/evaluation/{{gen_id}}/metadata.json"),
        raw_metadata=update(f"{GENS}/evaluation/{{gen_id}}/raw_metadata.json"),
    log:
        "logs/evaluation_raw/{gen_id}.log",
    threads: threads_of("evaluation")
    resources:
        **pool_slots("evaluation"),
    run:
        write_raw("evaluation", wildcards, log[0])


rule evaluation_batch:
    """In batch mode: buy the answers that a slice of the cohort lacks, their calls in parallel."""
    input:
        # markers, not texts: one parent that cannot be parsed must not hold back the others
        batches_before("evaluation"),
    output:
        f"{BATCHES}/{{cohort}}/evaluation/{{index}}-{{digest}}.json",
    log:
        "logs/evaluation_batch/{cohort}-{index}-{digest}.log",
    run:
        write_batch("evaluation", wildcards, output[0], log[0])


rule evaluation_parsed:
    """Take the part that counts out of the answer. Free, and done again when the parser changes."""
    input:
        raw=raw_to_parse("evaluation"),
    output:
        parsed=update(f"{GENS}/evaluation/{{gen_id}}/parsed.txt"),
        parsed_metadata=update(f"{GENS}/evaluation/{{gen_id}}/parsed_metadata.json"),
    log:
        "logs/evaluation_parsed/{gen_id}.log",
    run:
        write_parsed("evaluation", wildcards, log[0])


rule evaluations:
    """Every evaluation of the cohort."""
    input:
        MEMBERSHIPS,
        open_of("evaluation"),
