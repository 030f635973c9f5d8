/**
 * The rooms of a node know the remote node of a pool; whoever sees the metrics of many nodes wants the pair, which has the
 * same name at both ends. So the label `remote` of a declaration is shown as `pair`.
 */
import { linkIdBetween, type NodeId } from "../model/ids.ts";
import type { Declaration, Labels, MetricsRegistry } from "../runtime/metrics.ts";

export function withPairLabels(self: NodeId, registry: MetricsRegistry): MetricsRegistry {
  const declared = <Name extends string>(declaration: Declaration<Name>): Declaration<string> => ({
    ...declaration,
    labels: declaration.labels.map((label) => (label === "remote" ? "pair" : label)),
  });
  const shown = (labels: Labels<string>): Labels<string> => {
    const { remote, ...others } = labels;
    return remote === undefined ? labels : { pair: linkIdBetween(self, remote as NodeId), ...others };
  };
  return {
    counter(declaration) {
      const counter = registry.counter(declared(declaration));
      return { add: (labels, amount) => counter.add(shown(labels), amount) };
    },
    runningTotal(declaration) {
      const total = registry.runningTotal(declared(declaration));
      return { set: (labels, value) => total.set(shown(labels), value) };
    },
    gauge(declaration) {
      const gauge = registry.gauge(declared(declaration));
      return { set: (labels, value) => gauge.set(shown(labels), value) };
    },
    histogram(declaration) {
      const histogram = registry.histogram({ ...declared(declaration), buckets: declaration.buckets });
      return { observe: (labels, value) => histogram.observe(shown(labels), value) };
    },
    beforeScrape: (collect) => registry.beforeScrape(collect),
  };
}
