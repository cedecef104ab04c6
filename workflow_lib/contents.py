"""What the reports of a cohort contain: the name of each table and figure, and a sentence about it.

The sentences are the captions of `snakemake --report`: `scripts/write-docs` writes report/ from them.
"""

SCORES = {
    "aggregated_scores": (
        "Every evaluation with its score, or the reason why there is none, followed back to its essay, draft and combo."
    ),
}
SUMMARY_TABLES = {
    "generation_scores": (
        "The mean, lowest and highest score of each cell by each judge and evaluation template, with how many"
        " scores there are."
    ),
    "final_results": (
        "Average, spread and shares of perfect, high and low scores, grouped by template, model, judge and combo."
    ),
    "perfect_score_paths": "The evaluations that gave the best score there is, and the files to read.",
    "evaluation_model_template_pivot": (
        "What each judge gave on average by each evaluation template, per combo, essay template and writer, "
        "with coverage."
    ),
    "evaluation_scores": "One row per score, normalised to its scale, for plots and models of your own.",
    "costs": (
        "Calls, tokens, US dollars and seconds by stage and model, over everything that was bought; an "
        "unknown cost is empty, not zero."
    ),
    "text_costs": "What each draft and essay cost, an essay with its draft; an unknown cost is empty, not zero.",
    "coverage": (
        "How many of the scores that the cohort asks for exist, and why the others are missing: a failed "
        "instrument is not a low score."
    ),
}
ANALYSIS_TABLES = {
    "variance_analysis": "How far the scores of one essay lie apart, over templates and over judges.",
    "comparisons": (
        "Which template or model is better and by how much, with intervals for new combos and for these, and "
        "p values corrected for all pairs."
    ),
    "adjusted_scores": (
        "The leaderboard: scores of essays after the severity of their judges is taken off, with intervals and ranks."
    ),
    "level_means": (
        "The mean of each template, model and recipe with its interval for new combos, what an essay of it costs, and "
        "which recipes are efficient: none better is as cheap."
    ),
    "judges": "What kind of judge each judge is: severity, use of the scale, consistency, and agreement without it.",
    "judge_agreement": (
        "Whether the judges can be trusted: Krippendorff's alpha, reliability, rank correlation and bias of "
        "each pair, spread of their replicates."
    ),
    "variance_components": (
        "Where the differences between scores come from: combos, templates, writers, drafts, essays, judges or chance."
    ),
    "decision_study": (
        "How reliable an essay's mean would be with other numbers of judges, templates and replicates, and "
        "what that costs."
    ),
    "detectable_differences": "The smallest difference that more combos would show, and what they cost.",
    "next_steps": "What could be bought or dropped next, what it would change, and its price.",
    "biases": "Whether judges prefer essays of their own model or family, or long ones.",
}
FIGURES = {
    "comparisons": (
        "Paired differences between templates and between models with 95 % intervals for new combos: filled "
        "dots are clear after correction for all pairs."
    ),
    "level_means": "The mean of each template, model and recipe with its 95 % interval for new combos.",
    "adjusted_scores": "The best essays by adjusted score, with 95 % intervals of score and rank.",
    "score_distributions": "How each judge spreads its scores, on one axis; the line is the mean.",
    "judge_agreement": "Whether the judges agree: alpha, reliability and rank correlations with their intervals.",
    "judges": "How much more or less each judge gives than the mean judge.",
    "judge_differences": "By how much pairs of judges differ, and how far a judge's own repetitions lie apart.",
    "costs": "What was spent, by stage and model, judging included.",
    "quality_and_cost": "The mean of each recipe against the price of an essay; efficient ones are filled and joined.",
    "variance_components": "Where the differences between scores come from, as shares of their variance.",
    "decision_study": "How reliable an essay's mean would be with more judges and replicates.",
    "detectable_differences": "The smallest difference that more combos would show.",
    "biases": "Whether judges prefer their own model or family, or long essays, and differences at equal length.",
}
