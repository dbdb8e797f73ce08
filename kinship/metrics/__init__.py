"""The metrics of models/metrics, worked out by MetricFlow: as tables that are published, and by `mf`."""
