"""Response models for the frozen routes. They are used only to generate the OpenAPI document.

The routes build their response bodies without these models, because every byte of a body is fixed and polls
must be fast.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.web.answer import Uri, Uuid

Percent = Annotated[int, Field(ge=0, le=100)]


class ArticleAnswer(BaseModel):
    """Base class for the response bodies of the frozen routes. No fields may be added to them."""

    model_config = ConfigDict(extra="forbid")


class Started(ArticleAnswer):
    data: Uuid = Field(description="Id of the job.", examples=["899e1228-d7b8-40fc-8490-70e6f1efb338"])


class PollInProgress(ArticleAnswer):
    status: Literal["in-progress"]
    progress: Percent = Field(examples=[50])


class PollDone(ArticleAnswer):
    status: Literal["done"]
    progress: Percent = Field(examples=[100])
    url: Uri


class PollError(ArticleAnswer):
    status: Literal["error"]
    progress: Percent
    error: str = Field(description="An error message to show to users.")


class Poll(ArticleAnswer):
    data: PollInProgress | PollDone | PollError = Field(discriminator="status")
    status: Literal[200]
