// The leaderboard: essays, or groups of them, with score, interval and n in one cell.
"use strict";
const boardOf = ({ view, tray, selection, apply }) => {
  const { columns, costly, count, docs, FACTORS, levelName, levels, modelName, scored, show, top } = cohort;
  const { state } = view;
  const PAGE = 25;
  const AROUND = 60;
  const GROUPS = {
    essay: { name: "essays", keys: null },
    cell: { name: "cells (templates × writer)", keys: ["draft_template", "essay_template", "model"] },
    draft_template: { name: "draft templates", keys: ["draft_template"] },
    essay_template: { name: "essay templates", keys: ["essay_template"] },
    model: { name: "writers", keys: ["model"] },
    combo: { name: "combos", keys: ["combo"] },
  };
  const ADJUSTED = "Over all judges and templates, without their severity, drawn towards the mean; 95 % intervals of score and rank";
  const table = byId("board");
  let limit = 0;

  // one axis for all rows, whatever is filtered: as wide as the intervals of the cohort
  const ends = docs.adjusted.filter(Boolean).flatMap(([estimate, low, high]) => [low ?? estimate, high ?? estimate]);
  const step = 0.5;
  const axis = {
    low: ends.length ? Math.max(0, Math.floor(Math.min(...ends) / step) * step) : 0,
    high: ends.length ? Math.min(top, Math.ceil(Math.max(...ends) / step) * step) : top,
  };
  if (axis.high <= axis.low) Object.assign(axis, { low: 0, high: top });
  const WIDTH = 112;
  const at = (value) => 6 + ((Math.max(axis.low, Math.min(axis.high, value)) - axis.low) / (axis.high - axis.low)) * (WIDTH - 12);
  const arrow = (x, direction) => drawn("path", { d: `M${x} 5l${4 * direction} 4l${-4 * direction} 4z`, class: "c-dot" });
  // low and high are null where there is no interval
  const whisker = (value, low, high) => {
    const svg = drawn("svg", { viewBox: `0 0 ${WIDTH} 18`, width: WIDTH, height: 18, class: "whisker", "aria-hidden": "true" });
    svg.append(drawn("line", { x1: 4, x2: WIDTH - 4, y1: 9, y2: 9, class: "c-grid" }));
    if (low !== null) {
      svg.append(drawn("line", { x1: at(low), x2: at(high), y1: 9, y2: 9, class: "c-line" }));
      if (low < axis.low) svg.append(arrow(5, -1));
      if (high > axis.high) svg.append(arrow(WIDTH - 5, 1));
    }
    if (value !== null) svg.append(drawn("circle", { cx: at(value), cy: 9, r: 3.5, class: "c-dot" }));
    return svg;
  };
  const scoreCell = (value, low, high, more, title) =>
    element("td", { class: "score", title },
      element("b", {}, show(value)), " ",
      element("span", { class: "faint" }, value === null ? "" : low === null ? "no interval" : `${show(low)} to ${show(high)}`),
      element("span", { class: "more-of-score" }, whisker(value, low, high), element("small", {}, more)));
  const adjustedCell = (number) => {
    const found = docs.adjusted[number];
    if (!found) return element("td", { class: "score" }, "–");
    const [estimate, low, high, rank, rankLow, rankHigh] = found;
    return scoreCell(estimate, low, high, `rank ${rank}${rankLow === null ? "" : ` (${rankLow}–${rankHigh})`}`, ADJUSTED);
  };
  const coverage = (n, expected) =>
    n < expected
      ? element("span", { title: `${expected - n} of ${expected} evaluations have no score` }, String(n), element("small", { class: "warn" }, ` of ${expected}`))
      : String(n);
  const strip = (perColumn, allowed) => {
    const cells = element("span", { class: "strip" });
    columns.forEach(([judge, template], column) => {
      if (!allowed[column]) return;
      const stats = meanOf(perColumn.get(column) ?? []);
      const title = `${levels.judge[judge]}, ${levels.evaluation_template[template]}: ${show(stats.mean)} (n ${stats.n})`;
      const cell = element("i", { title });
      if (stats.mean === null) cell.className = "none";
      else cell.style.setProperty("--v", (stats.mean / top).toFixed(3));
      cells.append(cell);
    });
    return cells;
  };

  // The page of an essay is given the list that it was reached from, as far as an address can carry it.
  const nameOf = (number) => (docs.folder[number] === "essays" ? docs.gen_id[number] : `${docs.folder[number]}/${docs.gen_id[number]}`);
  const hrefOf = (place, list) => {
    const number = list[place];
    const page = `${docs.folder[number]}/${docs.gen_id[number]}.html`;
    if (view.isDefault()) return page;
    const first = Math.max(0, place - AROUND);
    const near = list.slice(first, place + AROUND + 1).map(nameOf).join("*");
    return `${page}#${new URLSearchParams({ ...(state.q ? { q: state.q } : {}), view: view.asText(), first, of: list.length, list: near })}`;
  };
  const isMarked = (parts) => parts.some((part) => part instanceof Element);
  const WHERE = [["text", "essay"], ["draft", "draft"], ["judgements", "judgements"], ["name", "names"], ["id", "id"]];
  const essayRow = (item, place, { allowed, words, list, excerptOf }) => {
    const { number, stats } = item;
    const genId = docs.gen_id[number];
    const box = element("input", { type: "checkbox", "aria-label": `Mark for comparison: ${docs.title[number]}`, "data-pick": String(number), "data-focus": `pick:${genId}` });
    box.checked = tray.has(number);
    const facets = cohort.ofDocuments.filter((factor) => factor !== "combo")
      .map((factor) => levelName(factor, docs[factor][number])).filter((name) => name !== "–");
    const name = (factor) => markedParts(levelName(factor, docs[factor][number]), words);
    const excerpt = markedParts(excerptOf(number), words);
    const where = item.where && WHERE.filter(([key]) => item.where.has(key)).map(([, label]) => label).join(", ");
    const cells = [
      element("td", { class: "rank" }, element("label", {}, box, String(place + 1))),
      element("td", { class: "title" },
        element("a", { href: hrefOf(place, list), "data-row": true, "data-focus": `row:${genId}`, title: genId }, element("bdi", {}, markedParts(docs.title[number], words))),
        docs.stale[number] ? element("span", { class: "badge", title: "It, or something that it was made from, would be asked otherwise today" }, "stale lineage") : null,
        element("span", { class: "combo" }, name("combo")),
        isMarked(excerpt) ? element("bdi", { class: "excerpt" }, excerpt) : null,
        item.where ? element("span", { class: "found" }, `found in: ${where}`, item.where.has("id") ? element("code", {}, ` ${genId}`) : null) : null,
        element("span", { class: "facets" }, [...new Set(facets)].join(" · "))),
    ];
    if (scored) {
      cells.push(
        adjustedCell(number),
        element("td", { class: "num mean" }, show(stats.mean), element("small", {}, " n ", coverage(stats.n, item.expected))),
        element("td", { class: "wide" }, strip(item.perColumn, allowed)));
    }
    const draftModel = docs.draft_model[number], writer = docs.model[number];
    cells.push(
      element("td", { class: "wide name" }, name("draft_template")),
      element("td", { class: "wide name" }, name("essay_template")),
      element("td", { class: "wide" }, modelName(levelName("model", writer)),
        levels.draft_model[draftModel] === levels.model[writer] ? null : element("small", {}, ` draft: ${levelName("draft_model", draftModel)}`)),
      costly ? element("td", { class: "num wide" }, usd(docs.cost[number])) : null);
    return element("tr", {}, cells);
  };
  const groupRow = (item, place, { keys, allowed }) => {
    const choose = () => apply({ ...Object.fromEntries(keys.map((key, i) => [key, levels[key][item.levels[i]] ?? ""])), group: "essay", sort: "", up: "" });
    const cells = [element("td", { class: "num rank" }, String(place + 1))];
    keys.forEach((key, i) => {
      const name = levelName(key, item.levels[i]);
      const label = key === "model" ? modelName(name) : name;
      cells.push(element("td", { class: "title" }, i ? label : element("button", { type: "button", class: "linklike", "data-row": true, "data-focus": `group:${item.levels.join("|")}`, onclick: choose, title: "Show its essays" }, label)));
    });
    cells.push(
      element("td", { class: "num mean" }, show(item.stats.mean)),
      element("td", { class: "num" }, coverage(item.stats.n, item.expected)),
      element("td", { class: "wide" }, strip(item.perColumn, allowed)),
      element("td", { class: "num" }, String(item.items.length)));
    return element("tr", {}, cells);
  };

  const axisLabel = `${show(axis.low)} – ${show(axis.high)} of 0 – ${top}`;
  const AXIS = `The line goes from ${axisLabel}, in all rows the same.`;
  // key, heading, value to sort by (rising unless falls), classes, tool tip, axis
  const essayColumns = () => [
    ["", ["#"], null, "rank"],
    ["title", ["Essay"], (item) => docs.title[item.number].toLowerCase(), "title"],
    ...(scored ? [
      ["adjusted", ["Adjusted, of 9"], (item) => docs.adjusted[item.number]?.[0] ?? null, "", true, `${ADJUSTED}. ${AXIS}`, axisLabel],
      ["mean", ["Mean of 9"], (item) => item.stats.mean, "num", true, "Of the scores that fit the filters; n, their number"],
      ["", ["By judge"], null, "wide", false, "A square per judge and evaluation template; the darker, the higher"],
    ] : []),
    ["draft_template", ["Draft template"], (item) => docs.draft_template[item.number], "wide"],
    ["essay_template", ["Essay template"], (item) => docs.essay_template[item.number], "wide"],
    ["model", ["Writer"], (item) => docs.model[item.number], "wide"],
    ...(costly ? [["cost", ["Cost"], (item) => docs.cost[item.number], "num wide", true, "Of draft and essay"]] : []),
  ];
  const groupColumns = (keys) => [
    ["", ["#"], null, "num rank"],
    ...keys.map((key, i) => [key, [FACTORS[key]], (item) => item.levels[i], "title"]),
    ["mean", ["Mean of 9"], (item) => item.stats.mean, "num", true],
    ["n", ["n"], (item) => item.stats.n, "num", true],
    ["", ["By judge"], null, "wide"],
    ["essays", ["Essays"], (item) => item.items.length, "num", true],
  ];
  const usual = () => (GROUPS[state.group].keys ? "mean" : "adjusted");
  const sortBy = (key, falls) =>
    apply((state.sort || usual()) === key ? { sort: key, up: state.up ? "" : "1" } : { sort: key, up: falls ? "" : "1" });
  const heading = ([key, label, value, classes, falls, title, axisOf]) => {
    const isSorted = key && (state.sort || usual()) === key;
    const direction = isSorted ? (state.up ? "ascending" : "descending") : null;
    const content = value
      ? element("button", { type: "button", "data-focus": `sort:${key}`, onclick: () => sortBy(key, Boolean(falls)) }, label)
      : label;
    const below = axisOf ? element("small", { class: "axis" }, `line: ${axisOf}`) : null;
    return element("th", { scope: "col", class: classes, title, "aria-sort": direction }, content, below);
  };
  const sorted = (items, tableColumns) => {
    const column = tableColumns.find(([key]) => key && key === (state.sort || usual()));
    if (!column) return items;
    const value = column[2], sign = state.up ? 1 : -1;
    const order = (a, b) => {
      const one = value(a), other = value(b);
      if (one === null || other === null) return (one === null) - (other === null);
      return one < other ? -sign : one > other ? sign : 0;
    };
    return [...items].sort(order);
  };

  const draw = ({ found, allowed, words, excerptOf, isWithoutTexts }) => {
    const { keys } = GROUPS[state.group];
    const tableColumns = keys ? groupColumns(keys) : essayColumns();
    const items = sorted(keys ? selection.grouped(found, keys) : found, tableColumns);
    const list = keys ? [] : items.map((item) => item.number);
    limit = Math.max(PAGE, view.kept.shown);
    table.tHead.replaceChildren(element("tr", {}, tableColumns.map(heading)));
    table.classList.toggle("of-groups", Boolean(keys));
    const row = keys ? groupRow : essayRow;
    table.tBodies[0].replaceChildren(...items.slice(0, limit).map((item, place) => row(item, place, { keys, allowed, words, list, excerptOf })));
    if (!items.length) {
      const text = "Nothing fits. Remove a filter or a search word.";
      table.tBodies[0].append(element("tr", {}, element("td", { colspan: String(tableColumns.length), class: "empty" }, text)));
    }
    byId("more").hidden = items.length <= limit;
    byId("more").textContent = `Show ${Math.min(PAGE, items.length - limit).toLocaleString("en")} more`;
    const total = found.reduce((sum, item) => sum + item.stats.n, 0);
    byId("count").textContent = `${found.length.toLocaleString("en")} of ${count.toLocaleString("en")} ${count === 1 ? "text" : "texts"}` +
      (scored ? `, ${total.toLocaleString("en")} ${total === 1 ? "score" : "scores"}` : "") + (keys ? `, in ${items.length.toLocaleString("en")} groups` : "") +
      (isWithoutTexts ? "; names and ids only: search.html, with the words of the texts, cannot be opened" : "");
    tray.draw();
  };
  return {
    draw,
    GROUPS,
    // the page of an essay, outside of any list: the way back is the view all the same
    pageOf: (number) => `${docs.folder[number]}/${docs.gen_id[number]}.html${view.isDefault() ? "" : `#${new URLSearchParams({ view: view.asText() })}`}`,
    showMore: () => { view.kept.shown = limit + PAGE; },
    rows: () => [...table.querySelectorAll("[data-row]")],
  };
};
