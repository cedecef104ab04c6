// What tests ask of an open page; each function returns what is wrong, a line per element.
const tour = (() => {
  "use strict";
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const known = new Map();
  // any colour of CSS as [red, green, blue, opacity], each from 0 to 1
  const read = (css) => {
    if (!known.has(css)) {
      canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = "#000"; canvas.fillStyle = css; canvas.fillRect(0, 0, 1, 1);
      known.set(css, [...canvas.getImageData(0, 0, 1, 1).data].map((one) => one / 255));
    }
    return known.get(css);
  };
  const over = (upper, lower) => {
    const share = upper[3];
    return [0, 1, 2].map((at) => upper[at] * share + lower[at] * (1 - share)).concat(1);
  };
  const light = (colour) => {
    const [r, g, b] = colour.map((one) => (one <= .04045 ? one / 12.92 : ((one + .055) / 1.055) ** 2.4));
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const contrast = (one, other) => {
    const [low, high] = [light(one), light(other)].sort((a, b) => a - b);
    return (high + .05) / (low + .05);
  };
  const opacity = (node) => {
    let found = 1;
    for (; node; node = node.parentElement) found *= Number(getComputedStyle(node).opacity);
    return found;
  };
  const faded = (css, share) => { const found = read(css); return [...found.slice(0, 3), found[3] * share]; };
  const page = read(getComputedStyle(document.documentElement).backgroundColor);
  const paper = page[3] === 1 ? page : [1, 1, 1, 1];
  // what is seen behind the content of an element: colours of its ancestors, and shapes drawn under a text of a drawing
  const behind = (node, box) => {
    const layers = [];
    const drawing = node.ownerSVGElement;
    if (drawing && box) {
      const x = box.left + box.width / 2, y = box.top + box.height / 2;
      for (const shape of drawing.querySelectorAll("rect, circle, path, polygon")) {
        if (!(shape.compareDocumentPosition(node) & Node.DOCUMENT_POSITION_FOLLOWING)) continue;
        const own = shape.getBoundingClientRect(), style = getComputedStyle(shape);
        const hits = own.left <= x && x <= own.right && own.top <= y && y <= own.bottom;
        if (hits && style.fill !== "none") layers.push(faded(style.fill, opacity(shape) * Number(style.fillOpacity)));
      }
    }
    const ancestors = [];
    for (let one = drawing || node; one; one = one.parentElement) ancestors.push(read(getComputedStyle(one).backgroundColor));
    return [...ancestors.reverse(), ...layers].reduce((lower, upper) => over(upper, lower), paper);
  };
  const isShown = (node) => {
    if (!node.checkVisibility({ visibilityProperty: true, opacityProperty: true })) return false;
    // text that only screen readers get is cut to nothing
    for (let one = node; one; one = one.parentElement) if (getComputedStyle(one).clipPath === "inset(50%)") return false;
    const box = node.getBoundingClientRect();
    return box.width > 0 && box.height > 0 && box.right > 0;
  };
  const name = (node) => {
    const own = (one) => `${one.tagName.toLowerCase()}${one.id ? `#${one.id}` : ""}${[...one.classList].map((c) => `.${c}`).join("")}`;
    return `${node.parentElement ? own(node.parentElement) + " > " : ""}${own(node)}`;
  };

  // texts below the contrast that WCAG 1.4.3 asks for: 4.5, and 3 for large ones
  const faintText = () => {
    const found = new Map();
    const check = (node, style, text, box) => {
      const share = opacity(node);
      const css = node.ownerSVGElement ? style.fill : style.color;
      const colour = faded(css, share);
      if (colour[3] === 0) return;
      const ground = behind(node, box);
      const size = parseFloat(style.fontSize), isBold = Number(style.fontWeight) >= 700;
      const needed = size >= 24 || (size >= 18.66 && isBold) ? 3 : 4.5;
      const seen = contrast(over(colour, ground), ground);
      const line = `${name(node)} "${text.trim().slice(0, 30)}": ${seen.toFixed(2)}`;
      if (seen < needed - .005 && !found.has(css + name(node))) found.set(css + name(node), line);
    };
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const range = document.createRange();
    while (walker.nextNode()) {
      const node = walker.currentNode.parentElement;
      if (!walker.currentNode.data.trim() || !isShown(node) || node.closest("script, style, title, option, :disabled")) continue;
      range.selectNodeContents(walker.currentNode);
      check(node, getComputedStyle(node), walker.currentNode.data, range.getBoundingClientRect());
    }
    for (const node of document.querySelectorAll("body *")) {
      if (!isShown(node)) continue;
      for (const pseudo of ["::before", "::after", "::placeholder"]) {
        const style = getComputedStyle(node, pseudo);
        const text = pseudo === "::placeholder" ? node.placeholder : style.content;
        if (text && !["none", "normal", '""'].includes(text)) check(node, style, text);
      }
    }
    return [...found.values()];
  };

  // fields, buttons and shapes of drawings below the contrast that WCAG 1.4.11 asks for: 3
  const faintShapes = () => {
    const found = new Map();
    const note = (node, seen) => {
      if (seen < 2.995) found.set(name(node), `${name(node)}: ${seen.toFixed(2)}`);
    };
    // a control is known by its border or its ground; words alone do for a button or link, not for a field
    const edge = (node) => {
      const style = getComputedStyle(node), outside = behind(node.parentElement);
      const seen = [contrast(over(faded(style.backgroundColor, opacity(node)), outside), outside)];
      if (parseFloat(style.borderBottomWidth) > 0 && style.borderBottomStyle !== "none") {
        seen.push(contrast(over(faded(style.borderBottomColor, opacity(node)), outside), outside));
      }
      return Math.max(...seen);
    };
    const isMarked = (node) => {
      const style = getComputedStyle(node);
      return (parseFloat(style.borderBottomWidth) > 0 && read(style.borderBottomColor)[3] > 0);
    };
    for (const node of document.querySelectorAll("input:not([type=checkbox], [type=radio]), select, textarea, button")) {
      if (!isShown(node) || node.disabled) continue;
      if (node.tagName === "BUTTON") { if (isMarked(node)) note(node, edge(node)); continue; }
      const around = node.closest("label");
      note(node, Math.max(edge(node), around ? edge(around) : 0));
    }
    for (const node of document.querySelectorAll("svg :is(rect, circle, path, line, polyline, polygon)")) {
      // the lines of a scale are no content: their numbers are
      if (!isShown(node.ownerSVGElement) || node.closest(".c-grid, defs, clipPath")) continue;
      const style = getComputedStyle(node), share = opacity(node);
      const ground = behind(node.ownerSVGElement);
      const seen = [];
      if (style.fill !== "none" && !["LINE", "POLYLINE"].includes(node.tagName.toUpperCase())) {
        seen.push(contrast(over(faded(style.fill, share * Number(style.fillOpacity)), ground), ground));
      }
      if (style.stroke !== "none") seen.push(contrast(over(faded(style.stroke, share * Number(style.strokeOpacity)), ground), ground));
      if (seen.length) note(node, Math.max(...seen));
    }
    return [...found.values()];
  };

  // drawings that say nothing to who cannot see them
  const unnamedDrawings = () => {
    const name = (node) => `${node.parentElement?.className}>${node.tagName.toLowerCase()}.${node.getAttribute("class") ?? ""}`;
    return [...document.querySelectorAll("svg, [role=img]")]
      .filter((node) => node.checkVisibility() && !node.closest("[aria-hidden=true]") && !node.parentElement.closest("svg"))
      .filter((node) => !(node.getAttribute("aria-label") || node.getAttribute("aria-labelledby"))).map(name);
  };

  // what makes the page wider than its window
  const wide = () => {
    const width = document.documentElement.clientWidth;
    // innerWidth grows with the content where a phone zooms out
    if (Math.max(document.documentElement.scrollWidth, document.body.scrollWidth) <= width) return [];
    const sticksOut = (node) => node.getBoundingClientRect().right + scrollX > width + 1;
    const scrolls = (node) => node.parentElement && (getComputedStyle(node.parentElement).overflowX !== "visible" || scrolls(node.parentElement));
    return [`${document.documentElement.scrollWidth} of ${width}`,
      ...[...document.querySelectorAll("body *")].filter((node) => sticksOut(node) && !scrolls(node)).slice(0, 5).map(name)];
  };

  const place = (node) => `${name(node)}[${[...document.querySelectorAll("*")].indexOf(node)}]`;
  const controls = () => [...document.querySelectorAll("a[href], button, select, input, textarea, summary, [tabindex='0']")]
    .filter((node) => !node.disabled && node.checkVisibility({ visibilityProperty: true })).map(place);
  const focused = () => {
    const node = document.activeElement, style = getComputedStyle(node);
    const isMarked = (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1);
    return [place(node), node === document.body || isMarked];
  };

  // words of what a page reports, without those of its controls
  const words = () => {
    const found = new Set();
    for (const node of document.querySelectorAll("main :is(td, th, li, dd, dt, pre, p, summary, figcaption)")) {
      if (!isShown(node) || node.closest("button, label, nav, [role=search]")) continue;
      for (const word of node.innerText.match(/[\p{L}\p{N}_-]{5,}/gu) ?? []) found.add(word);
    }
    return [...found];
  };
  // what paper would not get: folded details, boxes that scroll, dark ground
  const notPrinted = () => {
    const found = [];
    if (light(read(getComputedStyle(document.documentElement).backgroundColor)) < .8) found.push("dark paper");
    for (const node of document.querySelectorAll("body *")) {
      if (node.closest("svg, select, input, textarea") || !isShown(node)) continue;
      const style = getComputedStyle(node);
      if (!/visible|clip/.test(style.overflowY) && node.scrollHeight > node.clientHeight + 2) found.push(`cut off: ${name(node)}`);
    }
    for (const node of document.querySelectorAll("details > :not(summary)")) {
      if (node.parentElement.checkVisibility() && node.textContent.trim() && !node.checkVisibility()) found.push(`folded: ${name(node)}`);
    }
    return found;
  };

  const MARKS = /[\u202a-\u202e\u2066-\u2069]/;
  const turned = () => {
    const found = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const node = walker.currentNode.parentElement;
      if (MARKS.test(walker.currentNode.data) && !node.closest("script, style, title, option, noscript")) found.push(node);
    }
    return found;
  };
  // texts whose direction marks may turn words of the page around: those that share their line with others
  const turning = () => turned().filter((node) => {
    const isOpen = ({ unicodeBidi, display }) => unicodeBidi === "normal" && display === "inline";
    while (isOpen(getComputedStyle(node))) node = node.parentElement;
    return !node.matches("bdi, pre, [dir=auto], .prose *") && node.childNodes.length > 1;
  }).map(name);

  const settled = () => new Promise((resolve) => {
    let waiting = 0;
    const again = () => { clearTimeout(waiting); waiting = setTimeout(() => { watch.disconnect(); resolve(); }, 300); };
    const watch = new MutationObserver(again);
    watch.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
    again();
  });
  const frame = () => new Promise((resolve) => { requestAnimationFrame(resolve); });
  // Uses every control that there is or that comes, and every key; links that leave the page are pressed and not followed.
  // Returns how many controls were used.
  const pressEverything = async (word) => {
    document.addEventListener("click", (event) => {
      const link = event.target.closest?.("a[href]");
      if (link && !link.getAttribute("href").startsWith("#")) event.preventDefault();
    }, true);
    const tell = (node, ...kinds) => { for (const kind of kinds) node.dispatchEvent(new Event(kind, { bubbles: true })); };
    const use = async (node) => {
      if (node.matches("select")) {
        for (const { value } of [...node.options].slice(0, 4)) { node.value = value; tell(node, "input", "change"); await frame(); }
      } else if (node.matches("textarea, input:not([type=checkbox], [type=radio])")) {
        for (const value of [word, ""]) { node.value = value; tell(node, "input", "change"); await settled(); }
      } else node.click();
    };
    const known = (node) => `${name(node)}|${node.textContent.slice(0, 60)}|${node.getAttribute("aria-label")}|${node.href}`;
    const done = new Set();
    for (let left = 300; left > 0; left--) {
      const next = [...document.querySelectorAll("a[href], a[data-stored], button, select, input, textarea, summary, [tabindex]")]
        .find((node) => !node.disabled && node.checkVisibility() && !done.has(known(node)));
      if (!next) break;
      done.add(known(next));
      await use(next);
      await frame();
    }
    const keys = ["/", "Escape", "Enter", " ", "?", "ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"];
    for (const key of [..."abcdefghijklmnopqrstuvwxyz", ...keys]) {
      document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
      await frame();
    }
    await settled();
    return done.size;
  };

  return { turned, turning, pressEverything, faintText, faintShapes, unnamedDrawings, wide, controls, focused, words, notPrinted };
})();
