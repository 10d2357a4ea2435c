"""The rows of a study's table, kept as they come, so that a study which is resumed has them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from pdesl.run.checkpoint import CheckpointFile
from pdesl.run.metrics import to_plain

__all__ = ["StudyRows"]


class StudyRows(list[dict[str, Any]]):
    """Rows as plain values, those of the part that was resumed first.

    Raises:
        OutputError: E815, the disk does not take them; E831, a checkpoint that cannot be read.
    """

    def __init__(self, memory: CheckpointFile) -> None:
        held = memory.load()
        super().__init__(json.loads(str(held["rows"])) if held else [])
        self._memory = memory
        self._save()

    def add(self, row: Mapping[str, Any]) -> None:
        """Keep a further row."""
        plain: Any = to_plain(dict(row))
        self.append(plain)
        self._save()

    def _save(self) -> None:
        text = json.dumps(list(self), ensure_ascii=False)
        self._memory.save({"rows": np.asarray(text)})
