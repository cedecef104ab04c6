// Means, and means of clusters with 95 % intervals; `quantiles` are those of Student's t for 1, 2, 3 ... degrees of freedom.
const statisticsWith = (quantiles) => {
  const MIN_CLUSTERS = 3;
  const quantile = (degrees) => quantiles[Math.min(degrees, quantiles.length) - 1];
  const meanOf = (values) => {
    const n = values.length;
    return { n, mean: n ? values.reduce((sum, value) => sum + value, 0) / n : null };
  };
  // Scores of one cluster (a combo) hang together, so the interval of a group is that of a mean with clusters:
  // sqrt(G / (G - 1) * sum over clusters of (sum of its deviations)^2) / N, with G - 1 degrees of freedom.
  const meanOfClusters = (clusters) => {
    const filled = clusters.filter((values) => values.length);
    const all = filled.flat();
    const n = all.length, size = filled.length;
    if (!n) return { n: 0, mean: null, half: null, clusters: 0 };
    const mean = all.reduce((sum, value) => sum + value, 0) / n;
    if (size < MIN_CLUSTERS) return { n, mean, half: null, clusters: size };
    const squares = filled.reduce((sum, values) => sum + values.reduce((own, value) => own + value - mean, 0) ** 2, 0);
    return { n, mean, half: (quantile(size - 1) * Math.sqrt((size / (size - 1)) * squares)) / n, clusters: size };
  };
  return { meanOf, meanOfClusters };
};
