"""All cases, by topic."""

from __future__ import annotations

from .body_cases import BODY_CASES
from .case import Case
from .disconnect_cases import DISCONNECT_CASES
from .framing_cases import FRAMING_CASES
from .lifespan_cases import LIFESPAN_CASES
from .order_cases import ORDER_CASES
from .scope_cases import SCOPE_CASES
from .start_cases import START_CASES
from .streaming_cases import STREAMING_CASES
from .task_cases import TASK_CASES
from .upload_cases import UPLOAD_CASES
from .websocket_cases import WEBSOCKET_CASES

CASES: list[Case] = [
    *SCOPE_CASES,
    *UPLOAD_CASES,
    *ORDER_CASES,
    *START_CASES,
    *BODY_CASES,
    *FRAMING_CASES,
    *STREAMING_CASES,
    *DISCONNECT_CASES,
    *WEBSOCKET_CASES,
    *LIFESPAN_CASES,
    *TASK_CASES,
]
