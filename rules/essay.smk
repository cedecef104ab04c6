"""
Essays: from a draft to an essay by a model, or to the draft's text again in copy mode.

REQUIRED INPUTS:  data/cohorts/{cohort}/membership.csv      (rules/cohort.smk)
                  data/1_raw/templates/essay/{template_id}.txt
                  data/gens/draft/{parent_gen_id}/parsed.txt
OUTPUTS:          data/gens/essay/{gen_id}/raw.txt          paid for, kept verbatim
                  data/gens/essay/{gen_id}/parsed.txt       free to rebuild
"""


rule essay_raw:
    """Render the prompt, buy one answer, keep it verbatim. One of the three rules that cost money."""
    input:
        # ancient: an edited text must not buy again what exists; `daydream status` calls it stale
        template=template_of("essay"),
        parent=parent_of("essay"),
    output:
        # update(): an answer is never deleted because a job failed or was killed. The library writes
        # prompt.txt and the metadata beside it: every declared output costs time in every job
        raw=update(f"{GENS}/essay/{{gen_id}}/raw.txt"),
    log:
        "logs/essay_raw/{gen_id}.log",
    threads: threads_of("essay")
    resources:
        **pool_slots("essay"),
    run:
        with logged(log[0]) as say:
            runs.buy(run_of, caller, entry_of("essay", wildcards), say)


rule essay_parsed:
    """Take the part that counts out of the answer. Free, and done again when the parser changes."""
    input:
        raw=raw_to_parse("essay"),
    output:
        parsed=update(f"{GENS}/essay/{{gen_id}}/parsed.txt"),
    log:
        "logs/essay_parsed/{gen_id}.log",
    # no slot of --cores: it belongs to the next call
    threads: 0
    run:
        with logged(log[0]):
            generations.parse(settings, entry_of("essay", wildcards))


rule essay_batch:
    """In batch mode: make the essays of a chunk, their calls in parallel, instead of the two jobs of each."""
    input:
        # markers, not texts: one parent that cannot be parsed must not hold back the others
        chunks_before("essay"),
    output:
        f"{BATCHES}/{{run}}/{{scope}}/{{cohort}}/essay/{{index}}-{{digest}}.json",
    log:
        "logs/essay_batch/{run}/{scope}-{cohort}-{index}-{digest}.log",
    threads: CHUNK_THREADS
    run:
        make_chunk("essay", wildcards, output[0], log[0])


rule essays:
    """Every essay of the cohort."""
    input:
        MEMBERSHIPS,
        open_of("essay"),
