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
        ready=parent_of("draft"),
        batch=batch_of("draft"),
    output:
        # update(): an answer is never deleted because a job failed or was killed
        prompt=update(f"{GENS}/draft/{{gen_id}}/prompt.txt"),
        raw=update(f"{GENS}/draft/{{gen_id}}/raw.txt"),
        metadata=update(f"{GENS}/draft/{{gen_id}}/metadata.json"),
        raw_metadata=update(f"{GENS}/draft/{{gen_id}}/raw_metadata.json"),
    log:
        "logs/draft_raw/{gen_id}.log",
    threads: threads_of("draft")
    resources:
        **pool_slots("draft"),
    run:
        write_raw("draft", wildcards, log[0])


rule draft_batch:
    """In batch mode: buy the answers that a slice of the cohort lacks, their calls in parallel."""
    input:
        # markers, not texts: one parent that cannot be parsed must not hold back the others
        batches_before("draft"),
    output:
        f"{BATCHES}/{{cohort}}/draft/{{index}}-{{digest}}.json",
    log:
        "logs/draft_batch/{cohort}-{index}-{digest}.log",
    run:
        write_batch("draft", wildcards, output[0], log[0])


rule draft_parsed:
    """Take the part that counts out of the answer. Free, and done again when the parser changes."""
    input:
        raw=raw_to_parse("draft"),
    output:
        parsed=update(f"{GENS}/draft/{{gen_id}}/parsed.txt"),
        parsed_metadata=update(f"{GENS}/draft/{{gen_id}}/parsed_metadata.json"),
    log:
        "logs/draft_parsed/{gen_id}.log",
    run:
        write_parsed("draft", wildcards, log[0])


rule drafts:
    """Every draft of the cohort."""
    input:
        MEMBERSHIPS,
        open_of("draft"),
