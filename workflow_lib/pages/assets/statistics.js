// Means with 95 % intervals; `quantiles` are those of Student's t for 1, 2, 3 ... degrees of freedom.
const statisticsWith = (quantiles) => {
  const quantile = (degrees) => quantiles[Math.min(degrees, quantiles.length) - 1];
  const meanOf = (values) => {
    const n = values.length;
    if (!n) return { n: 0, mean: null, half: null };
    const mean = values.reduce((sum, value) => sum + value, 0) / n;
    if (n < 2) return { n, mean, half: null };
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1);
    return { n, mean, half: quantile(n - 1) * Math.sqrt(variance / n) };
  };
  // Scores of one essay hang together, so the interval of a group is that of a mean with clusters:
  // sqrt(G / (G - 1) * sum over essays of (sum of its deviations)^2) / N, with G - 1 degrees of freedom.
  const meanOfClusters = (clusters) => {
    const filled = clusters.filter((values) => values.length);
    const all = filled.flat();
    const n = all.length;
    if (!n) return { n: 0, mean: null, half: null, essays: 0 };
    const mean = all.reduce((sum, value) => sum + value, 0) / n;
    const size = filled.length;
    if (size < 2) return { n, mean, half: null, essays: size };
    const squares = filled.reduce((sum, values) => sum + values.reduce((own, value) => own + value - mean, 0) ** 2, 0);
    return { n, mean, half: (quantile(size - 1) * Math.sqrt((size / (size - 1)) * squares)) / n, essays: size };
  };
  return { meanOf, meanOfClusters };
};
