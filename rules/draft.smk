"""
Drafts: from a combo of concepts to the idea that a model makes of them.

REQUIRED INPUTS:  data/cohorts/{cohort}/membership.csv      (rules/cohort.smk)
                  data/1_raw/templates/draft/{template_id}.txt
                  data/1_raw/concepts/descriptions-*/{concept_id}.txt
OUTPUTS:          data/gens/draft/{gen_id}/raw.txt          paid for, kept verbatim
                  data/gens/draft/{gen_id}/parsed.txt       free to rebuild
"""


rule draft_raw:
    """Render the prompt, buy one answer, keep it verbatim. One of the three rules that cost money."""
    input:
        # ancient: an edited text must not buy again what exists; `daydream status` calls it stale
        template=template_of("draft"),
        concepts=concept_texts_of,
    output:
        # update(): an answer is never deleted because a job failed or was killed. The library writes
        # prompt.txt and the metadata beside it: every declared output costs time in every job
        raw=update(f"{GENS}/draft/{{gen_id}}/raw.txt"),
    log:
        "logs/draft_raw/{gen_id}.log",
    threads: threads_of("draft")
    resources:
        **pool_slots("draft"),
    run:
        with logged(log[0]) as say:
            runs.buy(run_of, caller, entry_of("draft", wildcards), say)


rule draft_parsed:
    """Take the part that counts out of the answer. Free, and done again when the parser changes."""
    input:
        raw=raw_to_parse("draft"),
    output:
        parsed=update(f"{GENS}/draft/{{gen_id}}/parsed.txt"),
    log:
        "logs/draft_parsed/{gen_id}.log",
    # no slot of --cores: it belongs to the next call
    threads: 0
    run:
        with logged(log[0]):
            generations.parse(settings, entry_of("draft", wildcards))


rule draft_batch:
    """In batch mode: make the drafts of a chunk, their calls in parallel, instead of the two jobs of each."""
    input:
        # markers, not texts: one parent that cannot be parsed must not hold back the others
        chunks_before("draft"),
    output:
        f"{BATCHES}/{{run}}/{{scope}}/{{cohort}}/draft/{{index}}-{{digest}}.json",
    log:
        "logs/draft_batch/{run}/{scope}-{cohort}-{index}-{digest}.log",
    threads: CHUNK_THREADS
    run:
        make_chunk("draft", wildcards, output[0], log[0])


rule drafts:
    """Every draft of the cohort."""
    input:
        MEMBERSHIPS,
        open_of("draft"),
