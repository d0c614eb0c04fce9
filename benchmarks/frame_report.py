"""Define a survey report with a `transform` that changes nothing.

The `transform` makes the service export the report through pandas.
"""

from dataclasses import replace

import pandas as pd

from flows.samples.survey_responses import REPORT as SURVEY_RESPONSES


def unchanged(frame: pd.DataFrame) -> pd.DataFrame:
    return frame


REPORT = replace(SURVEY_RESPONSES, name="survey-responses-by-frame", transform=unchanged)
