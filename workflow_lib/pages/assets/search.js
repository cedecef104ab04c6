// Finds documents by the beginnings of words in texts and names, or by the beginning of an id of theirs.
// The packed index, whose form search.py describes, lies in a page of its own, which is opened when it is first needed.
"use strict";
const searchIn = (address) => {
  const { count, docs, drafts, levelName, ofDocuments } = cohort;
  const SHORTEST_ID = 4;
  let index = null, opening = null, isMissing = false;
  const open = async () => {
    const { data, excerpts } = JSON.parse(await borrowed(address));
    const zipped = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
    const stream = new Blob([zipped]).stream().pipeThrough(new DecompressionStream("deflate"));
    const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
    const sizes = new DataView(bytes.buffer);
    const ends = [8, 8 + sizes.getUint32(0), 8 + sizes.getUint32(0) + sizes.getUint32(4)];
    const text = (from, to) => new TextDecoder().decode(bytes.subarray(from, to));
    const words = text(ends[0], ends[1]).split("\n");
    const starts = [];
    let at = ends[1];
    const number = () => {
      let value = 0, shift = 0, byte;
      do {
        byte = bytes[at++];
        value |= (byte & 127) << shift;
        shift += 7;
      } while (byte & 128);
      return value;
    };
    for (let place = 0; at < ends[2]; place++) {
      starts.push(at);
      for (let left = number() >> 1; left; left--) number();
    }
    const textsOf = (place) => {
      at = starts[place];
      const head = number(), found = new Set();
      for (let left = head >> 1, last = -1; left; left--) found.add((last += number() + 1));
      if (!(head & 1)) return found;
      const others = new Set();
      for (let one = 0; one < total; one++) if (!found.has(one)) others.add(one);
      return others;
    };
    const hasJudgements = bytes[ends[2]] === 1;
    const total = count + drafts.length + (hasJudgements ? count : 0);
    const order = [...starts.keys()].sort((a, b) => (words[a] < words[b] ? -1 : 1));
    const ids = text(ends[2] + 1).split("\n").map((line) => line.split(" "));
    return { words, order, textsOf, ids, excerpts };
  };
  const essaysOf = new Map();
  docs.of_draft.forEach((draft, number) => essaysOf.set(draft, [...(essaysOf.get(draft) ?? []), number]));

  const inTexts = (start, note) => {
    const { words, order, textsOf } = index;
    let low = 0, high = order.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (words[order[middle]] < start) low = middle + 1;
      else high = middle;
    }
    for (; low < order.length && words[order[low]].startsWith(start); low++) {
      for (const one of textsOf(order[low])) {
        if (one < count) note(one, "text");
        else if (one >= count + drafts.length) note(one - count - drafts.length, "judgements");
        else for (const number of essaysOf.get(one - count) ?? []) note(number, "draft");
      }
    }
  };
  const inNames = (start, note) => {
    for (const factor of ofDocuments) {
      const fits = new Map();
      docs[factor].forEach((level, number) => {
        if (level < 0) return;
        if (!fits.has(level)) fits.set(level, wordsOf(levelName(factor, level)).some((word) => word.startsWith(start)));
        if (fits.get(level)) note(number, "name");
      });
    }
  };
  const inIds = (start, note) => {
    if (start.length < SHORTEST_ID || /\s/.test(start)) return;
    for (let number = 0; number < count; number++) {
      const own = [docs.gen_id[number], drafts[docs.of_draft[number]], cohort.levels.combo[docs.combo[number]]];
      const judged = (index?.ids[number] ?? []).some((id) => id && (start.length < id.length ? id.startsWith(start) : start.startsWith(id)));
      if (judged || own.some((id) => id?.startsWith(start))) note(number, "id");
    }
  };
  const collected = (search, start) => {
    const found = new Map();
    search(start, (number, where) => found.set(number, (found.get(number) ?? new Set()).add(where)));
    return found;
  };
  // A Map from documents to the kinds of places that have all words; null where nothing was asked for.
  const find = (text) => {
    const query = text.trim().toLowerCase();
    if (!query) return null;
    let found = null;
    for (const word of wordsOf(query)) {
      const having = collected((start, note) => {
        if (index) inTexts(start, note);
        inNames(start, note);
      }, word);
      found = found
        ? new Map([...found].filter(([number]) => having.has(number)).map(([number, where]) => [number, new Set([...where, ...having.get(number)])]))
        : having;
    }
    found ??= new Map();
    for (const [number, where] of collected(inIds, query)) found.set(number, new Set([...(found.get(number) ?? []), ...where]));
    return found;
  };
  // Without its index, as where index.html was sent alone, the page searches names and ids only.
  const fetchIndex = () => {
    opening ??= open().then((opened) => { index = opened; }, () => { isMissing = true; });
    return opening;
  };
  // Calls back when the texts can be searched, or cannot be: at once if that is known.
  const prepare = (text, then) => {
    if (!text.trim() || index || isMissing) { then(); return; }
    fetchIndex().then(then);
  };
  return {
    find, prepare, fetchIndex,
    excerptOf: (number) => index?.excerpts[number] ?? "",
    isWithoutTexts: () => isMissing,
  };
};
