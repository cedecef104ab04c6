// Two documents of the cohort side by side. Only what the page holds can be shown, whatever the address asks for.
"use strict";
(() => {
  const { columns, count, docs, drafts, factorOf, FACTORS, levelName, levels, modelName, ofDocuments, scores, show, top } = cohort;
  if (!count) return;
  const SIDES = ["a", "b"];
  const chosen = { a: 0, b: Math.min(1, count - 1) };
  let back = "";
  let wantsWords = null;

  const read = () => {
    const asked = new URLSearchParams(location.hash.slice(1) || location.search);
    const place = (side) => docs.gen_id.indexOf(asked.get(side));
    chosen.a = Math.max(0, place("a"));
    chosen.b = place("b");
    if (chosen.b < 0) chosen.b = chosen.a === 0 ? Math.min(1, count - 1) : 0;
    back = asked.get("view") ?? "";
    byId("up").href = back ? `index.html#${back}` : "index.html";
  };
  const write = () => {
    const ids = new URLSearchParams({ a: docs.gen_id[chosen.a], b: docs.gen_id[chosen.b], ...(back ? { view: back } : {}) });
    try { history.pushState(null, "", `#${ids}`); } catch { /* some browsers refuse this for files */ }
  };

  const verdict = (number) => {
    const found = docs.adjusted[number];
    const link = element("a", { href: pageOf(number) }, "its page");
    if (!found) return ["no score, ", link];
    const [estimate, low, high, rank, rankLow, rankHigh] = found;
    return ["adjusted ", element("b", {}, show(estimate)), low === null ? ` of ${top}, no interval` : ` of ${top} (${show(low)} to ${show(high)})`,
      `, rank ${rank}${rankLow === null ? "" : ` (${rankLow}–${rankHigh})`}, `, link];
  };
  const factorRow = (name, values, texts) => {
    const differs = values[0] !== values[1];
    return element("tr", { class: differs ? "differs" : null },
      element("th", { scope: "row" }, name, differs ? element("span", { class: "sign", title: "differs" }, " ≠") : null),
      texts.map((text) => element("td", {}, text)));
  };
  const drawFactors = () => {
    const both = SIDES.map((side) => chosen[side]);
    const rows = ofDocuments.map((factor) => {
      const values = both.map((number) => docs[factor][number]);
      return factorRow(FACTORS[factor], values, values.map((level) => (factor.endsWith("model") && level >= 0 ? modelName(levels[factor][level]) : levelName(factor, level))));
    });
    const numbers = (name, of) => factorRow(name, both.map((number) => of[number]), both.map((number) => String(of[number])));
    rows.push(numbers("Draft's replicate", docs.draft_replicate), numbers("Replicate", docs.replicate));
    rows.push(factorRow("Draft", both.map((number) => docs.of_draft[number]), both.map((number) => element("code", {}, drafts[docs.of_draft[number]]))));
    byId("factors").tBodies[0].replaceChildren(...rows);
  };
  const meansOf = (number) => {
    const flat = scores[number], found = new Map();
    for (let at = 0; at < flat.length; at += 2) {
      if (flat[at + 1] < 0) continue;
      const own = found.get(flat[at]) ?? [];
      own.push(flat[at + 1] * factorOf[flat[at]]);
      found.set(flat[at], own);
    }
    return new Map([...found].map(([column, values]) => [column, { n: values.length, mean: values.reduce((sum, value) => sum + value, 0) / values.length }]));
  };
  const signed = (value) => `${value < 0 ? "−" : value > 0 ? "+" : ""}${show(Math.abs(value))}`;
  const drawScores = () => {
    const [left, right] = SIDES.map((side) => meansOf(chosen[side]));
    const used = columns.map((_, column) => column).filter((column) => left.has(column) || right.has(column));
    used.sort((a, b) => columns[a][1] - columns[b][1] || columns[a][0] - columns[b][0]);
    const differences = [];
    const rows = used.map((column) => {
      const [judge, template] = columns[column];
      const both = [left.get(column), right.get(column)];
      const difference = both[0] && both[1] ? both[1].mean - both[0].mean : null;
      if (difference !== null) differences.push(difference);
      return element("tr", { class: difference ? "differs" : null },
        element("td", {}, levels.evaluation_template[template]), element("td", {}, modelName(levels.judge[judge])),
        both.map((one) => element("td", { class: "num" }, one ? show(one.mean) : "–", element("small", {}, one ? ` (${one.n})` : ""))),
        element("td", { class: "num" }, difference === null ? "–" : signed(difference)));
    });
    byId("scores").tBodies[0].replaceChildren(...rows);
    const mean = differences.length ? differences.reduce((sum, one) => sum + one, 0) / differences.length : null;
    const over = `Mean over ${differences.length} shared judge and evaluation ${differences.length === 1 ? "pair" : "pairs"}`;
    byId("scores").tFoot.replaceChildren(element("tr", {}, element("th", { scope: "row", colspan: "4" }, over), element("td", { class: "num" }, mean === null ? "–" : signed(mean))));
  };
  // what the pages of the texts sent, by number: markup, or null for one without a text
  const sent = new Map();
  const pageOf = (number) => `${docs.folder[number]}/${docs.gen_id[number]}.html`;
  const partsOf = (number) => {
    if (!sent.has(number)) return [element("span", { class: "note" }, "This text cannot be shown here; it stands on ", element("a", { href: pageOf(number) }, "its own page"), ".")];
    const markup = sent.get(number);
    return markup === null ? ["There is no text."] : [...new DOMParser().parseFromString(markup, "text/html").body.childNodes];
  };
  const drawTexts = async () => {
    const both = SIDES.map((side) => chosen[side]);
    const missing = [...new Set(both)].filter((number) => !sent.has(number));
    // what is there already is drawn at once
    if (missing.length) {
      for (const side of SIDES) byId(`text-${side}`).setAttribute("aria-busy", "true");
      await Promise.all(missing.map((number) => borrowed(pageOf(number)).then((markup) => sent.set(number, markup), () => {})));
      if (SIDES.some((side, place) => chosen[side] !== both[place])) return;
    }
    const bodies = SIDES.map((side) => {
      const number = chosen[side], body = element("div", { class: "prose", dir: "auto" }, partsOf(number));
      byId(`text-${side}`).removeAttribute("aria-busy");
      byId(`text-${side}`).replaceChildren(
        element("p", { class: "sheet-label" }, element("bdi", {}, docs.title[number]), element("code", {}, docs.gen_id[number])), body);
      byId(`text-${side}`).scrollTop = 0;
      return body;
    });
    const sharesDraft = docs.of_draft[chosen.a] === docs.of_draft[chosen.b];
    const isMarked = wantsWords ?? (sharesDraft && chosen.a !== chosen.b);
    byId("words").checked = isMarked;
    const share = isMarked ? differenceOf(...bodies) : null;
    const draft = sharesDraft ? "Made from the same draft. " : "";
    byId("shared").textContent = !isMarked ? draft
      : share === null ? `${draft}They differ too much to mark the words.`
        : `${draft}${Math.round(100 * share)} % of the words are in both, in this order; the others are marked.`;
  };
  const draw = () => {
    for (const side of SIDES) {
      byId(`choose-${side}`).value = String(chosen[side]);
      byId(`verdict-${side}`).replaceChildren(...verdict(chosen[side]));
    }
    drawFactors();
    drawScores();
    return drawTexts();
  };
  const choose = (changes) => {
    Object.assign(chosen, changes);
    write();
    draw();
  };
  const turn = (side, step) => {
    // never the same text on both sides, where there are two
    let number = chosen[side];
    const other = chosen[side === "a" ? "b" : "a"];
    do number += step; while (number === other);
    if (number >= 0 && number < count) choose({ [side]: number });
  };
  const swap = () => choose({ a: chosen.b, b: chosen.a });

  for (const side of SIDES) {
    byId(`choose-${side}`).append(...docs.gen_id.map((genId, number) => {
      const estimate = docs.adjusted[number]?.[0] ?? null;
      return new Option(`${number + 1}. ${show(estimate)}  ${docs.title[number]}  (${genId})`, String(number));
    }));
    byId(`choose-${side}`).addEventListener("change", (event) => choose({ [side]: Number(event.target.value) }));
  }
  byId("swap").addEventListener("click", swap);
  byId("words").addEventListener("change", (event) => {
    wantsWords = event.target.checked;
    drawTexts();
  });

  // the reader scrolls one text, the other follows to the same share of its length; its own event is not answered
  let following = null;
  for (const side of SIDES) {
    const own = byId(`text-${side}`), other = byId(`text-${side === "a" ? "b" : "a"}`);
    own.addEventListener("scroll", () => {
      if (following === own) { following = null; return; }
      if (!byId("linked").checked) return;
      const range = own.scrollHeight - own.clientHeight;
      const target = Math.round(range ? (own.scrollTop / range) * (other.scrollHeight - other.clientHeight) : 0);
      if (Math.abs(other.scrollTop - target) < 1) return;
      following = other;
      other.scrollTop = target;
    });
  }
  for (const button of document.querySelectorAll("[data-side]")) {
    button.addEventListener("click", () => {
      byId("columns").dataset.shown = button.dataset.side;
      for (const one of document.querySelectorAll("[data-side]")) one.setAttribute("aria-pressed", String(one === button));
    });
  }

  const keys = {
    ArrowLeft: (event) => turn(event.shiftKey ? "a" : "b", -1),
    ArrowRight: (event) => turn(event.shiftKey ? "a" : "b", 1),
    s: swap,
    l: () => byId("linked").click(),
    w: () => byId("words").click(),
    u: () => byId("up").click(),
  };
  document.addEventListener("keydown", (event) => {
    if (hasModifier(event) || isTyping(event.target)) return;
    if (Object.hasOwn(keys, event.key)) { event.preventDefault(); keys[event.key](event); }
  });
  window.addEventListener("popstate", () => {
    read();
    draw();
  });
  read();
  draw().then(() => { document.documentElement.dataset.ready = "1"; });
})();
