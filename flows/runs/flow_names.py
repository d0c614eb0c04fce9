"""Names of the flows in Prefect. They must match prefect.yaml."""

EXPORT, DELIVER, SWEEP = "export-report", "deliver-webhook", "sweep-files"
