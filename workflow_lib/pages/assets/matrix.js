// The matrix: a row per combo, a column per template and writer; in each cell the score, one line of text and how far
// the judges are apart.
"use strict";
const matrixOf = ({ view, selection, apply }) => {
  const { columns, docs, FACTORS, levelName, levels, modelName, show } = cohort;
  const { state } = view;
  const FACTORS_OF_COLUMNS = ["draft_template", "essay_template", "model"];
  const DIFFERENT = 1;
  const COLUMNS = {
    "draft_template,essay_template,model": "templates and writer",
    "draft_template,model": "draft template and writer",
    "essay_template,model": "essay template and writer",
    draft_template: "draft template",
    essay_template: "essay template",
    model: "writer",
  };
  const ROWS = {
    "": "all combos",
    cells: "only where the scores differ, by 1 of 9 or more",
    judges: "only where the judges differ, by 1 of 9 or more",
  };
  const [usual] = Object.keys(COLUMNS);
  const table = byId("matrix-table");
  // the judges' means are compared within each evaluation template, and averaged over templates
  const apartOf = (perColumn) => {
    const means = new Map();
    for (const [column, values] of perColumn) {
      const template = columns[column][1];
      if (values.length) means.set(template, [...(means.get(template) ?? []), meanOf(values).mean]);
    }
    const ranges = [...means.values()].filter((own) => own.length > 1).map((own) => Math.max(...own) - Math.min(...own));
    return meanOf(ranges).mean;
  };
  const cellOf = (group, hrefOf) => {
    if (!group) return element("td", { class: "none" }, "–");
    const best = group.items.reduce((one, other) => ((docs.adjusted[other.number]?.[0] ?? -1) > (docs.adjusted[one.number]?.[0] ?? -1) ? other : one));
    const apart = apartOf(group.perColumn);
    const square = element("i", {});
    if (group.stats.mean !== null) square.style.setProperty("--v", (group.stats.mean / cohort.top).toFixed(3));
    else square.className = "none";
    return element("td", {},
      element("span", { class: "cell-score" }, element("span", { class: "strip", "aria-hidden": "true" }, square), " ",
        element("b", {}, show(group.stats.mean)), element("small", {}, ` n ${group.stats.n}`)),
      element("a", { href: hrefOf(best.number), class: "line-of-text" }, element("bdi", {}, docs.title[best.number])),
      element("small", { class: "faint" }, apart === null ? "one judge" : `judges ${show(apart)} apart`,
        group.items.length > 1 ? `; best of ${group.items.length}` : ""));
  };
  const draw = ({ found }, hrefOf) => {
    const keys = (state.cells || usual).split(",");
    const groups = new Map(selection.grouped(found, ["combo", ...keys]).map((group) => [group.levels.join("|"), group]));
    const used = [...new Map([...groups.values()].map((group) => [group.levels.slice(1).join("|"), group.levels.slice(1)])).values()];
    used.sort((a, b) => keys.map((_, i) => a[i] - b[i]).find((difference) => difference) ?? 0);
    const combos = [...new Set([...groups.values()].map((group) => group.levels[0]))]
      .sort((a, b) => (levelName("combo", a) < levelName("combo", b) ? -1 : 1));
    const spread = (combo, valueOf, reduce) => {
      const values = used.map((own) => groups.get([combo, ...own].join("|"))).filter(Boolean).map(valueOf).filter((value) => value !== null);
      return values.length ? reduce(values) : 0;
    };
    const differs = {
      "": () => true,
      cells: (combo) => spread(combo, (group) => group.stats.mean, (values) => Math.max(...values) - Math.min(...values)) >= DIFFERENT,
      judges: (combo) => spread(combo, (group) => apartOf(group.perColumn), (values) => Math.max(...values)) >= DIFFERENT,
    };
    const kept = combos.filter(differs[state.differ]);
    table.tHead.replaceChildren(element("tr", {}, element("th", { scope: "col" }, FACTORS.combo),
      used.map((own) => element("th", { scope: "col" }, own.map((level, i) => {
        const name = levelName(keys[i], level);
        return element("span", {}, keys[i] === "model" ? modelName(name) : name);
      })))));
    table.tBodies[0].replaceChildren(...kept.map((combo) => element("tr", {},
      element("th", { scope: "row" }, levelName("combo", combo)),
      used.map((own) => cellOf(groups.get([combo, ...own].join("|")), hrefOf)))));
    if (!kept.length) table.tBodies[0].append(element("tr", {}, element("td", { class: "empty", colspan: String(used.length + 1) }, "No combo fits.")));
    byId("matrix-count").textContent = `${kept.length.toLocaleString("en")} of ${combos.length.toLocaleString("en")} combos`;
  };
  const fill = (id, options, key) => {
    byId(id).replaceChildren(...Object.entries(options).map(([value, name]) => new Option(name, value)));
    byId(id).addEventListener("change", (event) => apply({ [key]: event.target.value }));
  };
  const useful = Object.entries(COLUMNS).filter(([keys]) => keys === usual || keys.split(",").every((key) => levels[key].length > 1));
  fill("matrix-columns", Object.fromEntries(useful), "cells");
  fill("matrix-rows", ROWS, "differ");
  const controls = () => {
    if (!useful.some(([keys]) => keys === state.cells)) state.cells = "";
    if (!Object.hasOwn(ROWS, state.differ)) state.differ = "";
    byId("matrix-columns").value = state.cells || usual;
    byId("matrix-rows").value = state.differ;
  };
  return { draw, controls };
};
