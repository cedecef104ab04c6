// Finds documents by the beginnings of their words, or by gen_id. The index, whose form search.py
// tells, is read when it is first needed; null means that nothing was asked for.
const searchIn = (genIds, read) => {
  let index = null;
  const decode = () => {
    const [words, lines] = JSON.parse(read());
    index = { words: words ? words.split("\n") : [], lines: lines.split("\n") };
  };
  const documentsOf = (line) => {
    const negated = line.startsWith("!");
    const found = new Set();
    let at = -1;
    for (const gap of (negated ? line.slice(1) : line).split(",").slice(0, -1)) {
      at += gap ? parseInt(gap, 36) : 1;
      found.add(at);
    }
    if (!negated) return found;
    const others = new Set();
    for (let number = 0; number < genIds.length; number++) if (!found.has(number)) others.add(number);
    return others;
  };
  const compareCodes = (a, b) => {
    // as Python sorts: by code point, not by the language's rules
    const one = [...a], other = [...b];
    for (let i = 0; i < Math.min(one.length, other.length); i++) {
      if (one[i] !== other[i]) return one[i].codePointAt(0) - other[i].codePointAt(0);
    }
    return one.length - other.length;
  };
  const beginningWith = (start) => {
    let low = 0, high = index.words.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compareCodes(index.words[middle], start) < 0) low = middle + 1;
      else high = middle;
    }
    const found = new Set();
    for (; low < index.words.length && index.words[low].startsWith(start); low++) {
      for (const number of documentsOf(index.lines[low])) found.add(number);
    }
    return found;
  };
  return (text) => {
    const query = text.trim().toLowerCase();
    if (!query) return null;
    const exact = genIds.indexOf(text.trim());
    if (exact >= 0) return new Set([exact]);
    if (!index) decode();
    const words = query.match(/[\p{L}\p{N}]{2,30}/gu) ?? [];
    let found = null;
    for (const word of words) {
      const having = beginningWith(word);
      found = found === null ? having : new Set([...found].filter((number) => having.has(number)));
    }
    return found;
  };
};
