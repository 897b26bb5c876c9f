"""What can be asked for a transcript of its own."""

from __future__ import annotations

from .recorder import Recorder
from .transcript import transcript


class Recording:
    """Something that keeps what goes on, if it was made with ``record=True``."""

    _recorder: Recorder | None

    def transcript(self) -> str:
        """Return what has gone on as text, message by message: the last 50 requests, WebSocket sessions and lifespans.

        Secrets are masked: passwords, tokens, cookies and the like, wherever they stand.

        Raises:
            RuntimeError: It was made without ``record=True``.
        """
        return transcript(self._recorded())

    def _recorded(self) -> Recorder:
        if self._recorder is None:
            msg = f"nothing was recorded: a {type(self).__name__} keeps a transcript if it is made with record=True"
            raise RuntimeError(msg)
        return self._recorder
