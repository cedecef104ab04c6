// Words that were searched for, as search.py cuts texts into words: a word is found by its beginning.
"use strict";
const wordsOf = (text) => text.toLowerCase().match(/[\p{L}\p{N}]{2,30}/gu) ?? [];
const beginningsOf = (words) =>
  // words hold letters and digits only, which mean nothing special in an expression
  words.length ? new RegExp(`(?<![\\p{L}\\p{N}])(?:${[...words].sort((a, b) => b.length - a.length).join("|")})`, "giu") : null;
// The parts of a text, with marks around what was searched for.
const markedParts = (text, words) => {
  const found = beginningsOf(words);
  if (!found) return [text];
  const parts = [];
  let at = 0;
  for (const match of text.matchAll(found)) {
    if (match.index > at) parts.push(text.slice(at, match.index));
    const mark = document.createElement("mark");
    mark.textContent = match[0];
    parts.push(mark);
    at = match.index + match[0].length;
  }
  parts.push(text.slice(at));
  return parts;
};
