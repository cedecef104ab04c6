// The cohort's page: filters, leaderboard, heat map and search, all from the data that stands in the page.
(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("data").textContent);
  const docs = data.documents;
  const count = docs.gen_id.length;
  const { levels, columns } = data;
  const byId = (id) => document.getElementById(id);

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
  const OF_DOCUMENTS = Object.keys(FACTORS).filter((factor) => !OF_SCORES.includes(factor));
  const offline = new Set(data.offline);
  const levelName = (factor, index) =>
    index < 0 ? "–" : factor === "combo" ? data.concepts[index].join(" + ") : levels[factor][index];
  // all means are in points of 9, whatever the scale of a template
  const top = 9;
  const factorOf = columns.map(([, template]) => top / data.scale_max[template]);
  const show = (value) => (value === null ? "–" : fixed(value, 2));

  const DEFAULTS = { q: "", group: "essay", sort: "", up: "", rows: "", full: "" };
  for (const factor of Object.keys(FACTORS)) DEFAULTS[factor] = "";
  const state = { ...DEFAULTS };
  const PAGE = 25;
  let shown = PAGE;
  const picked = [];

  const readAddress = () => {
    Object.assign(state, DEFAULTS);
    if (!location.hash.includes("=")) return;
    const given = new URLSearchParams(location.hash.slice(1));
    for (const key of Object.keys(DEFAULTS)) if (given.has(key)) state[key] = given.get(key);
  };
  const writeAddress = () => {
    const changed = Object.entries(state).filter(([key, value]) => value !== DEFAULTS[key]);
    const hash = changed.length ? `#${new URLSearchParams(changed)}` : "";
    if (!hash && !location.hash.includes("=")) return;
    try { history.replaceState(null, "", hash || "#leaderboard"); } catch { /* some browsers refuse this for files */ }
  };

  const element = (tag, attributes = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...children.filter((child) => child !== null && child !== undefined));
    return made;
  };
  const drawn = (tag, attributes) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  };
  const usd = (value) => {
    if (value === null) return "unknown";
    const decimals = value === 0 || value >= 1 ? 2 : Math.min(6, 2 - Math.floor(Math.log10(value)));
    const [whole, cents] = fixed(value, decimals).split(".");
    return `$${whole}.${cents.replace(/0+$/, "").padEnd(2, "0")}`;
  };
  const modelName = (name) =>
    offline.has(name)
      ? element("span", { class: "model" }, name, " ", element("span", { class: "dot", title: "offline simulation" }))
      : element("span", { class: "model" }, name);
  const chosenIndex = (factor) => (state[factor] ? levels[factor].indexOf(state[factor]) : -1);

  // a mean of what is filtered has no interval here: intervals come from the tables
  const meanOf = (values) => {
    const n = values.length;
    return { n, mean: n ? values.reduce((sum, value) => sum + value, 0) / n : null };
  };
  const searched = searchIn(docs.gen_id, () => byId("index").textContent);

  let hits = null;
  const filtered = () => {
    const wanted = OF_DOCUMENTS.map((factor) => [docs[factor], chosenIndex(factor)]).filter(([, level]) => level >= 0);
    const judge = chosenIndex("judge"), template = chosenIndex("evaluation_template");
    const allowed = columns.map(([j, t]) => (judge < 0 || j === judge) && (template < 0 || t === template));
    hits = searched(state.q);
    const found = [];
    for (let number = 0; number < count; number++) {
      if (hits && !hits.has(number)) continue;
      if (wanted.some(([values, level]) => values[number] !== level)) continue;
      const flat = data.scores[number], scores = [], perColumn = new Map();
      let expected = 0;
      for (let at = 0; at < flat.length; at += 2) {
        const column = flat[at];
        if (!allowed[column]) continue;
        expected++;
        if (flat[at + 1] < 0) continue;
        const value = flat[at + 1] * factorOf[column];
        scores.push(value);
        if (perColumn.has(column)) perColumn.get(column).push(value);
        else perColumn.set(column, [value]);
      }
      found.push({ number, scores, perColumn, expected, stats: meanOf(scores) });
    }
    return { found, allowed };
  };

  const GROUPS = {
    essay: { name: "essays", keys: null },
    cell: { name: "cells (templates × writer)", keys: ["draft_template", "essay_template", "model"] },
    draft_template: { name: "draft templates", keys: ["draft_template"] },
    essay_template: { name: "essay templates", keys: ["essay_template"] },
    model: { name: "writers", keys: ["model"] },
    combo: { name: "combos", keys: ["combo"] },
  };
  const scored = columns.length > 0;
  // a column of zeros, as offline models cost, says nothing
  const costly = docs.cost.some((cost) => cost !== 0);

  // low and high are null where there is no interval
  const whisker = (value, low, high, label, title) => {
    const width = 112, at = (value) => 4 + (Math.max(0, Math.min(top, value)) / top) * (width - 8);
    const svg = drawn("svg", { viewBox: `0 0 ${width} 18`, width, height: 18, class: "whisker", "aria-hidden": "true" });
    svg.append(drawn("line", { x1: 4, x2: width - 4, y1: 9, y2: 9, class: "c-grid" }));
    if (low !== null) svg.append(drawn("line", { x1: at(low), x2: at(high), y1: 9, y2: 9, class: "c-line" }));
    if (value !== null) svg.append(drawn("circle", { cx: at(value), cy: 9, r: 4, class: "c-dot" }));
    return element("span", { class: "interval", title }, svg, element("small", {}, label));
  };
  const adjusted = (number) => {
    const found = docs.adjusted[number];
    if (!found) return "–";
    const [estimate, low, high, rank, rankLow, rankHigh] = found;
    const label = `${show(estimate)}${low === null ? "" : ` (${show(low)} to ${show(high)})`}`;
    const ranks = `rank ${rank}${rankLow === null ? "" : ` (${rankLow}–${rankHigh})`}`;
    return whisker(estimate, low, high, `${label}, ${ranks}`, ADJUSTED);
  };
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
  const coverage = (n, expected) =>
    n < expected
      ? element("span", { title: `${expected - n} of ${expected} evaluations have no score` }, String(n), element("small", { class: "warn" }, ` of ${expected}`))
      : String(n);
  const ADJUSTED = "Over all judges and templates, without their severity, drawn towards the mean; 95 % intervals of score and rank";

  const essayRow = (item, place, allowed) => {
    const { number, stats } = item;
    const genId = docs.gen_id[number];
    let href = `${docs.folder[number]}/${genId}.html`;
    if (hits) {
      // the browser scrolls to the words itself
      const words = state.q.match(/[\p{L}\p{N}]{2,30}/gu) ?? [];
      href += `#:~:${words.map((word) => `text=${encodeURIComponent(word)}`).join("&")}`;
    }
    const box = element("input", { type: "checkbox", "aria-label": "Mark for comparison", "data-pick": String(number) });
    box.checked = picked.includes(number);
    const facets = OF_DOCUMENTS.filter((factor) => factor !== "combo")
      .map((factor) => levelName(factor, docs[factor][number])).filter((name) => name !== "–");
    const row = [
      element("td", { class: "rank" }, element("label", {}, box, String(place))),
      element(
        "td",
        { class: "title" },
        element("a", { href, "data-row": true, title: genId }, element("bdi", {}, docs.title[number])),
        docs.stale[number] ? element("span", { class: "badge", title: "It, or something that it was made from, would be asked otherwise today" }, "stale lineage") : null,
        element("span", { class: "combo" }, levelName("combo", docs.combo[number])),
        hits ? element("bdi", { class: "excerpt" }, docs.excerpt[number]) : null,
        element("span", { class: "facets" }, [...new Set(facets)].join(" · ")),
      ),
    ];
    if (scored) {
      row.push(
        element("td", { class: "num mean" }, show(stats.mean)),
        element("td", { class: "wide" }, adjusted(number)),
        element("td", { class: "num" }, coverage(stats.n, item.expected)),
        element("td", { class: "wide" }, strip(item.perColumn, allowed)),
      );
    }
    const draftModel = docs.draft_model[number], writer = docs.model[number];
    row.push(
      element("td", { class: "wide name" }, levelName("draft_template", docs.draft_template[number])),
      element("td", { class: "wide name" }, levelName("essay_template", docs.essay_template[number])),
      element("td", { class: "wide" }, modelName(levelName("model", writer)),
        levels.draft_model[draftModel] === levels.model[writer] ? null : element("small", {}, ` draft: ${levelName("draft_model", draftModel)}`)),
      costly ? element("td", { class: "num wide" }, usd(docs.cost[number])) : null,
    );
    return element("tr", {}, ...row);
  };
  const groupRow = (item, place, keys, allowed) => {
    const choose = () => {
      for (const key of keys) state[key] = levels[key][item.levels[keys.indexOf(key)]] ?? "";
      state.group = "essay";
      update();
    };
    const row = [element("td", { class: "num rank" }, String(place))];
    keys.forEach((key, at) => {
      const name = levelName(key, item.levels[at]);
      const label = key === "model" ? modelName(name) : name;
      row.push(element("td", { class: "title" }, at ? label : element("button", { type: "button", class: "linklike", "data-row": true, onclick: choose, title: "Show its essays" }, label)));
    });
    row.push(
      element("td", { class: "num mean" }, show(item.stats.mean)),
      element("td", { class: "num" }, coverage(item.stats.n, item.expected)),
      element("td", { class: "wide" }, strip(item.perColumn, allowed)),
      element("td", { class: "num" }, String(item.items.length)),
    );
    return element("tr", {}, ...row);
  };
  const grouped = (found, keys) => {
    const groups = new Map();
    for (const item of found) {
      const own = keys.map((key) => docs[key][item.number]);
      const name = own.join("|");
      if (!groups.has(name)) groups.set(name, { levels: own, items: [], expected: 0, perColumn: new Map() });
      const group = groups.get(name);
      group.items.push(item);
      group.expected += item.expected;
      for (const [column, values] of item.perColumn) group.perColumn.set(column, (group.perColumn.get(column) ?? []).concat(values));
    }
    for (const group of groups.values()) group.stats = meanOf(group.items.flatMap((item) => item.scores));
    return [...groups.values()];
  };

  // key, heading, value to sort by (rising unless falls), classes, tool tip
  const essayColumns = () => [
    ["", "#", null, "rank"],
    ["title", "Essay", (item) => docs.title[item.number].toLowerCase(), "title"],
    ...(scored ? [
      ["mean", "Mean of 9", (item) => item.stats.mean, "num", true],
      ["adjusted", `Adjusted, 0 – ${top}`, (item) => docs.adjusted[item.number]?.[0] ?? null, "wide", true, ADJUSTED],
      ["n", "n", (item) => item.stats.n, "num", true],
      ["", "By judge", null, "wide", false, "A square per judge and evaluation template; the darker, the higher"],
    ] : []),
    ["draft_template", "Draft template", (item) => docs.draft_template[item.number], "wide"],
    ["essay_template", "Essay template", (item) => docs.essay_template[item.number], "wide"],
    ["model", "Writer", (item) => docs.model[item.number], "wide"],
    ...(costly ? [["cost", "Cost", (item) => docs.cost[item.number], "num wide", true, "Of draft and essay"]] : []),
  ];
  const groupColumns = (keys) => [
    ["", "#", null, "num rank"],
    ...keys.map((key, at) => [key, FACTORS[key], (item) => item.levels[at], "title"]),
    ["mean", "Mean of 9", (item) => item.stats.mean, "num", true],
    ["n", "n", (item) => item.stats.n, "num", true],
    ["", "By judge", null, "wide"],
    ["essays", "Essays", (item) => item.items.length, "num", true],
  ];

  const sortBy = (key, falls) => {
    if (state.sort === key) state.up = state.up ? "" : "1";
    else Object.assign(state, { sort: key, up: falls ? "" : "1" });
    update();
  };
  const usual = () => (GROUPS[state.group].keys ? "mean" : "adjusted");
  const heading = ([key, name, value, classes, falls, title]) => {
    const sorted = (state.sort || usual()) === key && key;
    const direction = sorted ? (state.up ? "ascending" : "descending") : null;
    const label = value ? element("button", { type: "button", onclick: () => sortBy(key, Boolean(falls)) }, name) : name;
    return element("th", { scope: "col", class: classes, title, "aria-sort": direction }, label);
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

  const board = byId("board");
  const drawBoard = ({ found, allowed }) => {
    const keys = GROUPS[state.group].keys;
    const tableColumns = keys ? groupColumns(keys) : essayColumns();
    const items = sorted(keys ? grouped(found, keys) : found, tableColumns);
    board.tHead.replaceChildren(element("tr", {}, ...tableColumns.map(heading)));
    board.classList.toggle("of-groups", Boolean(keys));
    const rows = items.slice(0, shown).map((item, at) => (keys ? groupRow(item, at + 1, keys, allowed) : essayRow(item, at + 1, allowed)));
    board.tBodies[0].replaceChildren(...rows);
    if (!items.length) {
      board.tBodies[0].append(element("tr", {}, element("td", { colspan: String(tableColumns.length), class: "empty" }, "Nothing fits. Clear a filter or a search word.")));
    }
    const more = byId("more");
    more.hidden = items.length <= shown;
    more.textContent = `Show ${Math.min(PAGE, items.length - shown).toLocaleString("en")} more`;
    const total = found.reduce((sum, item) => sum + item.stats.n, 0);
    const what = found.length === 1 ? "text" : "texts";
    byId("count").textContent = `${found.length.toLocaleString("en")} of ${count.toLocaleString("en")} ${what}` +
      (scored ? `, ${total.toLocaleString("en")} scores` : "") + (keys ? `, in ${items.length.toLocaleString("en")} groups` : "");
  };

  const HEAT = {
    "essay_template,model": "Essay template × writer",
    "draft_template,essay_template": "Draft × essay template",
    "draft_template,draft_model": "Draft template × draft model",
    "draft_template,essay_template,model": "Draft × essay template × writer",
    model: "Writer",
    combo: "Combo",
  };
  const heat = byId("heat");
  const drawHeat = ({ found, allowed }) => {
    if (!heat) return;
    const keys = (state.rows || Object.keys(HEAT)[0]).split(",");
    const groups = grouped(found, keys);
    groups.sort((a, b) => {
      for (let at = 0; at < keys.length; at++) {
        const difference = a.levels[at] - b.levels[at];
        if (difference) return difference;
      }
      return 0;
    });
    const used = columns.map((_, column) => column).filter((column) => allowed[column]);
    const cells = groups.map((group) => used.map((column) => meanOf(group.perColumn.get(column) ?? [])));
    const means = cells.flat().map((stats) => stats.mean).filter((mean) => mean !== null);
    const lowest = state.full || !means.length ? 0 : Math.floor(Math.min(...means) * 2) / 2;
    const highest = state.full || !means.length ? top : Math.max(Math.ceil(Math.max(...means) * 2) / 2, lowest + 0.5);
    drawLegend(lowest, highest);

    const upper = element("tr", {}, element("th", { colspan: String(keys.length) }));
    let last = null;
    for (const column of used) {
      const judge = columns[column][0];
      if (last && last.judge === judge) last.cell.colSpan += 1;
      else {
        last = { judge, cell: element("th", { scope: "colgroup", class: "judge" }, modelName(levels.judge[judge])) };
        last.cell.colSpan = 1;
        upper.append(last.cell);
      }
    }
    const lower = element("tr", {}, ...keys.map((key) => element("th", { scope: "col", class: "key" }, FACTORS[key])));
    for (const column of used) lower.append(element("th", { scope: "col" }, levels.evaluation_template[columns[column][1]]));
    heat.tHead.replaceChildren(upper, lower);

    const rows = groups.map((group, line) => {
      const row = element("tr", {});
      keys.forEach((key, at) => {
        const name = levelName(key, group.levels[at]);
        const repeats = at < keys.length - 1 && line > 0 && keys.slice(0, at + 1).every((_, i) => groups[line - 1].levels[i] === group.levels[i]);
        row.append(element("th", { scope: "row", class: repeats ? "again" : null }, key.endsWith("model") ? modelName(name) : name));
      });
      used.forEach((column, at) => {
        const stats = cells[line][at];
        if (stats.mean === null) {
          row.append(element("td", { class: "none", title: "no score" }, "–"));
          return;
        }
        const value = (stats.mean - lowest) / (highest - lowest);
        const [judge, template] = columns[column];
        const tip = `${levels.judge[judge]}, ${levels.evaluation_template[template]}: mean ${show(stats.mean)} of 9 over ${stats.n} scores`;
        const choose = () => {
          keys.forEach((key, i) => { state[key] = levels[key][group.levels[i]] ?? ""; });
          Object.assign(state, { judge: levels.judge[judge], evaluation_template: levels.evaluation_template[template], group: "essay" });
          update();
          byId("leaderboard").scrollIntoView();
        };
        const cell = element("td", { class: value > 0.74 ? "high" : value > 0.42 ? "middle" : "low" },
          element("button", { type: "button", title: tip, onclick: choose }, show(stats.mean), element("small", {}, String(stats.n))));
        cell.style.setProperty("--v", Math.max(0, Math.min(1, value)).toFixed(3));
        row.append(cell);
      });
      return row;
    });
    heat.tBodies[0].replaceChildren(...rows);
  };
  const drawLegend = (lowest, highest) => {
    const steps = element("span", { class: "strip" });
    for (let at = 0; at <= 10; at++) {
      const step = element("i", {});
      step.style.setProperty("--v", String(at / 10));
      steps.append(step);
    }
    byId("legend").replaceChildren(show(lowest), steps, show(highest));
  };

  const drawTray = () => {
    byId("tray").hidden = !picked.length;
    byId("tray-text").textContent = picked.length === 1 ? "One text marked. Mark another to compare." : "Two texts marked.";
    const link = byId("tray-link");
    link.hidden = picked.length < 2;
    if (picked.length === 2) link.href = `compare.html#a=${docs.gen_id[picked[0]]}&b=${docs.gen_id[picked[1]]}`;
    for (const box of board.querySelectorAll("[data-pick]")) box.checked = picked.includes(Number(box.dataset.pick));
  };
  const pick = (number) => {
    const at = picked.indexOf(number);
    if (at >= 0) picked.splice(at, 1);
    else {
      picked.push(number);
      if (picked.length > 2) picked.shift();
    }
    drawTray();
  };

  const fill = (select, options, value) => {
    select.replaceChildren(...options.map(([key, name]) => new Option(name, key)));
    select.value = value;
  };
  const filters = byId("filters");
  for (const [factor, name] of Object.entries(FACTORS)) {
    if (levels[factor].length < 2) continue;
    const select = element("select", { id: `filter-${factor}` });
    fill(select, [["", "all"], ...levels[factor].map((level, at) => [level, levelName(factor, at)])], "");
    select.addEventListener("change", () => { state[factor] = select.value; update(); });
    filters.append(element("label", { class: "select" }, element("span", {}, name), select));
  }
  const useful = ([, { keys }]) => !keys || (scored && keys.some((key) => levels[key].length > 1));
  fill(byId("group"), Object.entries(GROUPS).filter(useful).map(([key, { name }]) => [key, name]), "essay");
  byId("group").addEventListener("change", (event) => { Object.assign(state, { group: event.target.value, sort: "", up: "" }); update(); });
  if (heat) {
    fill(byId("heat-rows"), Object.entries(HEAT), Object.keys(HEAT)[0]);
    byId("heat-rows").addEventListener("change", (event) => { state.rows = event.target.value; update(); });
    byId("heat-full").addEventListener("change", (event) => { state.full = event.target.checked ? "1" : ""; update(); });
  }
  let waiting = 0;
  byId("search").addEventListener("input", (event) => {
    clearTimeout(waiting);
    waiting = setTimeout(() => { state.q = event.target.value; update(); }, 120);
  });
  byId("more").addEventListener("click", () => { shown += PAGE; draw(); });
  byId("reset").addEventListener("click", () => {
    // what was typed last must not come back after it
    clearTimeout(waiting);
    Object.assign(state, DEFAULTS);
    update();
  });
  byId("tray-clear").addEventListener("click", () => { picked.length = 0; drawTray(); });
  board.addEventListener("change", (event) => {
    if (event.target.dataset.pick) pick(Number(event.target.dataset.pick));
  });

  const draw = () => {
    const result = filtered();
    drawBoard(result);
    drawHeat(result);
  };
  const controls = () => {
    for (const factor of Object.keys(FACTORS)) {
      if (state[factor] && !levels[factor].includes(state[factor])) state[factor] = "";
      const select = byId(`filter-${factor}`);
      if (select) {
        select.value = state[factor];
        select.classList.toggle("set", Boolean(state[factor]));
      }
    }
    if (!Object.hasOwn(GROUPS, state.group)) state.group = "essay";
    byId("group").value = state.group;
    if (document.activeElement !== byId("search")) byId("search").value = state.q;
    byId("reset").hidden = !Object.entries(state).some(([key, value]) => value !== DEFAULTS[key]);
    if (heat) {
      if (!Object.hasOwn(HEAT, state.rows)) state.rows = "";
      byId("heat-rows").value = state.rows || Object.keys(HEAT)[0];
      byId("heat-full").checked = Boolean(state.full);
    }
  };
  const update = () => {
    shown = PAGE;
    controls();
    draw();
    writeAddress();
  };
  window.addEventListener("hashchange", () => {
    if (!location.hash.includes("=")) return;
    readAddress();
    update();
  });

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target instanceof Element && event.target.closest("input[type=search], select");
    if (event.key === "Escape" && typing) { event.target.blur(); return; }
    if (typing) return;
    if (event.key === "/") { event.preventDefault(); byId("search").focus(); return; }
    const rows = [...board.querySelectorAll("[data-row]")];
    const at = rows.indexOf(document.activeElement?.closest("tr")?.querySelector("[data-row]"));
    if (event.key === "j") rows[Math.min(at + 1, rows.length - 1)]?.focus();
    if (event.key === "k") rows[Math.max(at - 1, 0)]?.focus();
    if (event.key === "c" && at >= 0) {
      const box = rows[at].closest("tr").querySelector("[data-pick]");
      if (box) pick(Number(box.dataset.pick));
    }
  });

  readAddress();
  update();
  drawTray();
  document.documentElement.dataset.ready = "1";
})();
