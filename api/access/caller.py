"""The caller of a request and their permissions."""

import json
import re
from dataclasses import dataclass, field

from flows.query.row_rights import Claims, Rights
from flows.runs.tags import LOCAL_CALLER as LOCAL_CALLER

# The name becomes part of a Prefect tag, so spaces and line breaks are not allowed.
NAME = re.compile(r"[\x21-\x7e]{1,200}")


@dataclass(frozen=True)
class Caller:
    name: str
    reports: frozenset[str] | None = None  # names of the permitted reports; None permits all
    sees_pii: bool = True  # False masks personal data
    claims: Claims | None = None  # maps each claim to its allowed values; None permits all rows
    key_id: str | None = field(default=None, compare=False)  # id of the API key, if one was used
    issuer: str | None = field(default=None, compare=False)  # caller whose API key created the token

    @property
    def rights(self) -> Rights | None:
        """Return the rights that are stored with the caller's exports and schedules.

        Returns None if the rows are not restricted and no API key was used.
        """
        has_key = self.key_id is not None
        if not has_key and self.claims is None:
            return None
        return Rights(self.claims, has_key, self.issuer)

    @property
    def can_create_tokens(self) -> bool:
        """Return whether the caller sent an API key rather than a token created with one."""
        return self.key_id is not None and self.issuer is None

    @property
    def is_limited(self) -> bool:
        """Return whether the current key or token restricts access to reports, personal data or rows."""
        return self.reports is not None or not self.sees_pii or self.claims is not None

    @property
    def idempotency_space(self) -> str:
        """Return the namespace of the caller's idempotency keys.

        API keys with the same rights share a namespace. If all API keys of a caller shared a single
        namespace, an Idempotency-Key could refer to an export or a schedule that the current API key may not
        access.
        """
        if not self.is_limited:
            return self.name
        reports = sorted(self.reports) if self.reports is not None else None
        claims = {name: sorted(values) for name, values in (self.claims or {}).items()}
        rights = [reports, self.sees_pii, *([claims] if self.claims is not None else [])]
        return "\0".join((self.name, json.dumps(rights, sort_keys=True)))


LOCAL = Caller(LOCAL_CALLER)
