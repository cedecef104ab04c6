// Which documents and scores fit the filters and the search, and what groups of them have on average.
"use strict";
// A mean of what is filtered has no interval here: intervals come from the tables.
const meanOf = (values) => {
  const n = values.length;
  return { n, mean: n ? values.reduce((sum, value) => sum + value, 0) / n : null };
};
const selectionOf = (state) => {
  const { docs, columns, count, factorOf, levels, ofDocuments } = cohort;
  const chosen = (factor) => (state[factor] ? levels[factor].indexOf(state[factor]) : -1);
  // hits: a Map from documents to where they have the words, null without a search
  const fitting = (hits) => {
    const wanted = ofDocuments.map((factor) => [docs[factor], chosen(factor)]).filter(([, level]) => level >= 0);
    const judge = chosen("judge"), template = chosen("evaluation_template");
    const allowed = columns.map(([j, t]) => (judge < 0 || j === judge) && (template < 0 || t === template));
    const found = [];
    for (let number = 0; number < count; number++) {
      if (hits && !hits.has(number)) continue;
      if (wanted.some(([values, level]) => values[number] !== level)) continue;
      const flat = cohort.scores[number], scores = [], perColumn = new Map();
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
      found.push({ number, scores, perColumn, expected, stats: meanOf(scores), where: hits?.get(number) });
    }
    return { found, allowed, hits };
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
  return { fitting, grouped };
};
