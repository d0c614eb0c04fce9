"""What the API reads from its environment, beside what runs read (flows/settings.py)."""

from pydantic import Field

from flows.settings import Settings


class ApiSettings(Settings):
    deployment: str = Field("export-report/export", description="The deployment that runs exports.")
    work_pool: str = Field("exports", description="The work pool whose workers take them.")
    outage_seconds: float = Field(
        1.5, gt=0, description="How long a silent database, storage or Prefect is waited for before a 503."
    )
    table_seconds: int = Field(20, ge=1, description="How long one page of the table may take to read.")
