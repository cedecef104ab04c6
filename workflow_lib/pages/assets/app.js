// The cohort's page: what is chosen, found and shown, put together.
"use strict";
(() => {
  const { FACTORS, levels, scored } = cohort;
  const defaults = { q: "", group: "essay", sort: "", up: "", rows: "", full: "", cells: "", differ: "" };
  for (const factor of Object.keys(FACTORS)) defaults[factor] = "";
  const view = viewOf(defaults);
  const { state } = view;
  const selection = selectionOf(state);
  const search = searchIn("search.html");
  const tray = trayOf(view);

  // Changes what is shown, as a step of the history.
  const apply = (changes, { typed = false, leadTo = null } = {}) => {
    Object.assign(state, changes);
    view.kept.shown = 0;
    update(() => {
      view.write({ typed });
      if (leadTo) scrollTo(leadTo);
    });
  };
  const board = boardOf({ view, tray, selection, apply });
  const filters = filtersOf({ view, apply });
  const matrix = byId("matrix") ? matrixOf({ view, selection, apply }) : null;
  const heat = byId("heat") ? heatOf({ view, selection, apply }) : null;

  const useful = ([, { keys }]) => !keys || (scored && keys.some((key) => levels[key].length > 1));
  filters.fill(byId("group"), Object.entries(board.GROUPS).filter(useful).map(([key, { name }]) => [key, name]));
  byId("group").addEventListener("change", (event) => apply({ group: event.target.value, sort: "", up: "" }));
  if (heat) {
    filters.fill(byId("heat-rows"), Object.entries(heat.ROWS));
    byId("heat-rows").addEventListener("change", (event) => apply({ rows: event.target.value }));
    byId("heat-full").addEventListener("change", (event) => apply({ full: event.target.checked ? "1" : "" }));
  }
  const controls = () => {
    // an address can ask for anything
    for (const factor of Object.keys(FACTORS)) if (!levels[factor].includes(state[factor])) state[factor] = "";
    if (!Object.hasOwn(board.GROUPS, state.group)) state.group = "essay";
    if (heat && !Object.hasOwn(heat.ROWS, state.rows)) state.rows = "";
    byId("group").value = state.group;
    filters.draw();
    matrix?.controls();
    if (heat) {
      byId("heat-rows").value = state.rows || heat.usual;
      byId("heat-full").checked = Boolean(state.full);
    }
  };
  const draw = () => {
    const result = selection.fitting(search.find(state.q));
    result.words = wordsOf(state.q);
    result.excerptOf = search.excerptOf;
    result.isWithoutTexts = Boolean(state.q) && search.isWithoutTexts();
    keepingFocus(() => {
      controls();
      board.draw(result);
      matrix?.draw(result, board.pageOf);
      heat?.draw(result);
    });
  };
  const update = (then) => search.prepare(state.q, () => {
    draw();
    then?.();
  });

  byId("search").addEventListener("focus", search.fetchIndex, { once: true });
  byId("more").addEventListener("click", () => {
    const before = board.rows().length;
    board.showMore();
    draw();
    view.keep();
    board.rows()[before]?.focus({ preventScroll: true });
  });

  // a link to a view leads to what it shows
  const SECTIONS = ["leaderboard", "matrix", "heatmap"];
  const scrollTo = (name) => {
    filters.measure();
    byId(name).scrollIntoView();
  };
  const scrollToResult = (given) => scrollTo(SECTIONS.find((name) => name === given.get("to") && byId(name)) ?? "leaderboard");
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest('a[href^="#"]') : null;
    const hash = link?.getAttribute("href") ?? "";
    if (!link || hasModifier(event) || !view.isView(hash)) return;
    event.preventDefault();
    const given = view.read(hash.slice(1));
    view.kept.shown = 0;
    update(() => {
      view.write();
      scrollToResult(given);
    });
  });
  window.addEventListener("popstate", () => {
    view.restore();
    update();
  });
  window.addEventListener("beforeprint", () => {
    view.kept.shown = Infinity;
    draw();
  });
  window.addEventListener("afterprint", () => {
    view.kept.shown = 0;
    draw();
  });

  document.addEventListener("keydown", (event) => {
    if (hasModifier(event)) return;
    if (event.key === "Escape" && isTyping(event.target)) { event.target.blur(); return; }
    if (isTyping(event.target)) return;
    if (event.key === "/") { event.preventDefault(); byId("search").focus(); return; }
    const rows = board.rows();
    const at = rows.indexOf(document.activeElement?.closest("tr")?.querySelector("[data-row]"));
    if (event.key === "j") rows[Math.min(at + 1, rows.length - 1)]?.focus();
    if (event.key === "k") rows[Math.max(at - 1, 0)]?.focus();
    if (event.key === "c" && at >= 0) {
      const box = rows[at].closest("tr").querySelector("[data-pick]");
      if (box) tray.toggle(Number(box.dataset.pick));
    }
  });

  view.restore();
  update(() => {
    const [visit] = performance.getEntriesByType("navigation");
    const isAsked = view.isView(location.hash) && (!visit || visit.type === "navigate");
    if (isAsked) scrollToResult(new URLSearchParams(location.hash.slice(1)));
    document.documentElement.dataset.ready = "1";
  });
})();
