"""The metrics of models/metrics, worked out by MetricFlow: at publishing as tables, at a prompt by `mf` (docs/metrics.md)."""
