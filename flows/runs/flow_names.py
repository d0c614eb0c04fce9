"""What Prefect calls the flows; prefect.yaml and the pages of Prefect show them. Pure."""

EXPORT, DELIVER, SWEEP = "export-report", "deliver-webhook", "sweep-files"
