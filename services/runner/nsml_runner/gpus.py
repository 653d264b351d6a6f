"""What the GPUs of an attempt are doing, by NVML; nothing where there is none."""

import asyncio
import contextlib
import math
from collections.abc import Sequence

import pynvml


class Gpus:
    """NVML is loaded at the first sample: most sessions that end at once never pay for it."""

    def __init__(self, devices: Sequence[str]) -> None:
        self._devices = devices
        self._handles: list[object] | None = None

    async def sample(self) -> tuple[list[float], list[int]]:
        """Utilization (0..1) and memory in use (bytes) of each device."""
        return await asyncio.to_thread(self._read) if self._devices else ([], [])

    def _read(self) -> tuple[list[float], list[int]]:
        handles = self._opened()
        return [busy(handle) for handle in handles], [used(handle) for handle in handles]

    def _opened(self) -> list[object]:
        if self._handles is None:
            self._handles = []
            # Devices may be declared on a machine that has none: then there is nothing to see.
            with contextlib.suppress(pynvml.NVMLError):
                self._handles = [self._open(device) for device in self._devices]
        return self._handles

    def _open(self, device: str) -> object:
        pynvml.nvmlInit()
        if device.isdigit():
            return pynvml.nvmlDeviceGetHandleByIndex(int(device))
        return pynvml.nvmlDeviceGetHandleByUUID(device)


def busy(handle: object) -> float:
    """NaN where the device does not say, as a part of a GPU (MIG) does not: 0 would be idle."""
    try:
        return float(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu) / 100
    except pynvml.NVMLError:
        return math.nan


def used(handle: object) -> int:
    """0 where the device does not say: each value has its device's place in the list."""
    try:
        return int(pynvml.nvmlDeviceGetMemoryInfo(handle).used)
    except pynvml.NVMLError:
        return 0
