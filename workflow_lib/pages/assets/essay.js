// Reading: which texts are shown, the list that the page was reached from, and the words that were searched for.
"use strict";
(() => {
  const reader = byId("reader"), texts = byId("texts"), judges = byId("judges");
  const buttons = [...document.querySelectorAll("[data-view]")];
  const show = (view) => {
    reader.dataset.shown = view;
    texts.dataset.shown = view;
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.view === view));
  };
  for (const button of buttons) button.addEventListener("click", () => show(button.dataset.view));
  show(buttons.length && !judges ? "both" : "essay");
  // on a phone the judges are a sheet at the bottom of the window, closed until it is wanted
  const narrow = matchMedia("(max-width: 56rem)");
  const fold = () => { if (judges) judges.open = !narrow.matches; };
  narrow.addEventListener("change", fold);
  fold();

  // The list stands in the address: ids of essays, or folder/id, around this page.
  const given = new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");
  const isPage = /^(?:(?:essays|drafts)\/)?[A-Za-z0-9][A-Za-z0-9._-]*$/;
  const list = (given.get("list") ?? "").split("*").filter((name) => isPage.test(name) && !name.includes(".."));
  const [folder, file] = location.pathname.split("/").slice(-2);
  const own = file.replace(/\.html$/, "");
  const at = list.findIndex((name) => name === own || name === `${folder}/${own}`);
  const view = given.get("view") ?? "";
  const up = byId("up");
  if (view) up.href = `../index.html#${view}`;
  if (at >= 0) {
    const first = Math.max(0, Math.floor(Number(given.get("first"))) || 0);
    const total = Math.max(list.length, Math.floor(Number(given.get("of"))) || 0);
    const turn = byId("place").parentElement;
    for (const link of turn.querySelectorAll("[rel]")) link.remove();
    byId("place").textContent = `${first + at + 1} of ${total} found`;
    const leadTo = (name, rel, text) => {
      const path = name.includes("/") ? name : `essays/${name}`;
      return element("a", { href: `../${path}.html${location.hash}`, rel }, text);
    };
    if (at > 0) byId("place").before(leadTo(list[at - 1], "prev", "← previous"));
    if (at < list.length - 1) byId("place").after(leadTo(list[at + 1], "next", "next →"));
    else if (first + list.length < total) byId("place").after(element("a", { href: up.href }, "more in the list"));
    const compare = byId("compare");
    compare.href = `${compare.getAttribute("href")}&${new URLSearchParams({ view })}`;
  }

  const MOST_MARKS = 1000;
  const marks = [];
  let current = -1;
  const markAll = (words) => {
    const found = beginningsOf(words);
    const walker = document.createTreeWalker(byId("main"), NodeFilter.SHOW_TEXT);
    const nodes = [];
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      if (node.parentElement.closest("h1, .prose, .answer, .slip, .lineage b, summary bdi")) nodes.push(node);
    }
    for (const node of nodes) {
      if (marks.length >= MOST_MARKS) break;
      found.lastIndex = 0;
      if (!found.test(node.data)) continue;
      const parts = markedParts(node.data, words);
      marks.push(...parts.filter((part) => part instanceof Element));
      node.replaceWith(...parts);
    }
  };
  const nextMark = () => {
    if (!marks.length) return;
    marks[current]?.classList.remove("current");
    current = (current + 1) % marks.length;
    const mark = marks[current];
    for (let around = mark.closest("details"); around; around = around.parentElement.closest("details")) around.open = true;
    if (mark.closest(".draft") && !mark.checkVisibility()) show("both");
    mark.classList.add("current");
    mark.scrollIntoView({ block: "center" });
    byId("mark-place").textContent = `${current + 1} of ${marks.length}${marks.length >= MOST_MARKS ? " or more" : ""}`;
  };
  const words = wordsOf(given.get("q") ?? "");
  if (words.length) {
    markAll(words);
    byId("marks").hidden = false;
    byId("marks").append(
      marks.length ? element("span", {}, "Marked: ", element("b", {}, given.get("q")), ", ", element("span", { id: "mark-place" }, `${marks.length} places`), " ")
        : element("span", {}, "The words ", element("b", {}, given.get("q")), " are not in these texts."),
      marks.length ? element("button", { type: "button", onclick: nextMark }, "Next") : "");
  }

  const follow = (link) => link?.click();
  const keys = {
    ArrowLeft: () => follow(document.querySelector('[rel="prev"]')),
    ArrowRight: () => follow(document.querySelector('[rel="next"]')),
    u: () => follow(up),
    c: () => follow(byId("compare")),
    e: () => buttons.length && show("essay"),
    b: () => buttons.length && show("both"),
    d: () => buttons.length && show("draft"),
    n: nextMark,
    j: () => {
      if (!judges) return;
      judges.open = !narrow.matches || !judges.open;
      judges.querySelector("summary").focus();
    },
  };
  document.addEventListener("keydown", (event) => {
    if (hasModifier(event) || event.shiftKey || isTyping(event.target)) return;
    // arrows scroll what is wider than its place
    if (event.key.startsWith("Arrow") && event.target instanceof Element && event.target.closest("pre, .scroll")) return;
    if (Object.hasOwn(keys, event.key)) keys[event.key]();
  });
  window.addEventListener("hashchange", () => { if (location.hash.includes("list=")) location.reload(); });
  document.documentElement.dataset.ready = "1";
})();
