"""Define the names of the flows in Prefect. They must match the names in prefect.yaml."""

EXPORT, DELIVER, SWEEP = "export-report", "deliver-webhook", "sweep-files"
