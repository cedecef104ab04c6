// What the data of the page says about the cohort: documents, names of levels, columns of scores.
"use strict";
const cohort = (() => {
  const data = JSON.parse(byId("data").textContent);
  const docs = data.documents;
  const { levels, columns } = data;
  const FACTORS = {
    combo: "Combo",
    draft_template: "Draft template",
    draft_model: "Draft model",
    essay_template: "Essay template",
    model: "Writer",
    judge: "Judge",
    evaluation_template: "Evaluation",
  };
  const OF_SCORES = ["judge", "evaluation_template"];
  const offline = new Set(data.offline);
  // all means are in points of 9, whatever the scale of a template
  const top = 9;
  const levelName = (factor, index) =>
    index < 0 ? "–" : factor === "combo" ? data.concepts[index].join(" + ") : levels[factor][index];
  const modelName = (name) =>
    offline.has(name)
      ? element("span", { class: "model" }, name, " ", element("span", { class: "dot", title: "offline simulation" }))
      : element("span", { class: "model" }, name);
  return {
    docs, levels, columns, FACTORS, top, levelName, modelName,
    name: data.cohort,
    drafts: data.drafts,
    scores: data.scores,
    count: docs.gen_id.length,
    ofDocuments: Object.keys(FACTORS).filter((factor) => !OF_SCORES.includes(factor)),
    // a column of zeros, as offline models cost, says nothing
    costly: docs.cost.some((cost) => cost !== 0),
    scored: docs.adjusted.some((found) => found !== null),
    factorOf: columns.map(([, template]) => top / data.scale_max[template]),
    show: (value) => (value === null ? "–" : fixed(value, 2)),
  };
})();
