"""Names of the flows in Prefect. prefect.yaml uses the same names."""

EXPORT, DELIVER, SWEEP = "export-report", "deliver-webhook", "sweep-files"
