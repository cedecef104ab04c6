// Which words of two elements are not in the other one, by the shortest edit script (Myers, An O(ND) Difference
// Algorithm and Its Variations, 1986), and marks around them.
"use strict";
const differenceOf = (() => {
  const MOST_WORDS = 30000;
  const MOST_EDITS = 2500;
  const tokensOf = (root) => {
    const tokens = [];
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      for (const match of node.data.matchAll(/[\p{L}\p{N}]+/gu)) {
        tokens.push({ node, word: match[0], start: match.index, end: match.index + match[0].length });
        if (tokens.length > MOST_WORDS) return null;
      }
    }
    return tokens;
  };
  // Returns for both lists which items the other lacks; null where they differ too much to say.
  const compare = (a, b) => {
    let head = 0, tail = 0;
    while (head < a.length && head < b.length && a[head] === b[head]) head++;
    while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
    const n = a.length - head - tail, m = b.length - head - tail;
    const lacks = [new Uint8Array(a.length), new Uint8Array(b.length)];
    const most = Math.min(n + m, MOST_EDITS), offset = most + 1;
    const furthest = new Int32Array(2 * most + 3);
    const trace = [];
    for (let d = 0; d <= most; d++) {
      trace.push(furthest.slice(offset - d - 1, offset + d + 2));
      for (let k = -d; k <= d; k += 2) {
        const down = k === -d || (k !== d && furthest[offset + k - 1] < furthest[offset + k + 1]);
        let x = down ? furthest[offset + k + 1] : furthest[offset + k - 1] + 1;
        let y = x - k;
        while (x < n && y < m && a[head + x] === b[head + y]) { x++; y++; }
        furthest[offset + k] = x;
        if (x < n || y < m) continue;
        // back along the path: each edit is a word that one of the two lacks
        for (let step = d; step > 0; step--) {
          const before = trace[step], at = (one) => before[one + step + 1];
          const k2 = x - y;
          const wasDown = k2 === -step || (k2 !== step && at(k2 - 1) < at(k2 + 1));
          const previous = wasDown ? k2 + 1 : k2 - 1;
          const px = at(previous), py = px - previous;
          if (wasDown) lacks[1][head + py] = 1;
          else lacks[0][head + px] = 1;
          x = px;
          y = py;
        }
        return lacks;
      }
    }
    return null;
  };
  const mark = (tokens, lacking) => {
    // from the end, so that earlier places in a text stay where they are
    for (let at = tokens.length - 1; at >= 0; at--) {
      if (!lacking[at]) continue;
      const { node, end } = tokens[at];
      let { start } = tokens[at];
      while (at > 0 && lacking[at - 1] && tokens[at - 1].node === node) start = tokens[--at].start;
      const range = document.createRange();
      range.setStart(node, start);
      range.setEnd(node, end);
      const around = document.createElement("mark");
      around.className = "only-here";
      range.surroundContents(around);
    }
  };
  // Marks both elements and returns the share of words that both have in the same order; null if it is too small.
  return (left, right) => {
    const both = [tokensOf(left), tokensOf(right)];
    if (both.includes(null)) return null;
    const words = both.map((tokens) => tokens.map(({ word }) => word));
    const lacks = compare(...words);
    if (!lacks) return null;
    both.forEach((tokens, side) => mark(tokens, lacks[side]));
    const all = words[0].length + words[1].length;
    return all ? 1 - (lacks[0].reduce((sum, one) => sum + one, 0) + lacks[1].reduce((sum, one) => sum + one, 0)) / all : 1;
  };
})();
