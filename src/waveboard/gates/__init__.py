"""Facts against contracts: gates, the verdicts they give and the reports told of them. Reads no host and collects nothing."""
