"""The one place that picks real hands for the ports."""
