"""What the computer offers to a training run: precision, devices, threads for the input."""

from __future__ import annotations

import os
import platform
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

#: Processor flags, as Linux names them, of bfloat16 arithmetic; without them it is emulated and many times slower.
BFLOAT16_FLAGS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
#: Compute capabilities from which NVIDIA's tensor cores take each format.
BFLOAT16_CAPABILITY, FLOAT16_CAPABILITY = (8, 0), (7, 0)
#: More threads than this fill no step's time; SimpleITK uses several cores for each of them.
MOST_WORKERS = 8


@dataclass(frozen=True)
class Gpu:
    """One GPU that Keras' backend sees.

    Attributes:
        name: as the backend names it in a list of devices, "GPU:0" for instance.
        model: what it is.
        capability: compute capability, (0, 0) if unknown.
    """

    name: str
    model: str = "GPU"
    capability: tuple[int, int] = (0, 0)


def choose_precision(wanted: str, gpus: Sequence[Gpu], flags: Collection[str]) -> tuple[str, str]:
    """The Keras dtype policy of a run, and why.

    Args:
        wanted: `precision` of the recipe; anything but "auto" is taken as it is.
        gpus: the GPUs that train; none for the processor.
        flags: of the processor.

    Returns:
        ("float32", "mixed_bfloat16" or "mixed_float16", a reason that continues "because").
    """
    if wanted != "auto":
        return wanted, "the recipe asks for it"
    if gpus:
        weakest = min(gpu.capability for gpu in gpus)
        shown = f"the compute capability is {weakest[0]}.{weakest[1]}"
        if weakest >= BFLOAT16_CAPABILITY:
            return "mixed_bfloat16", shown
        if weakest >= FLOAT16_CAPABILITY:
            return "mixed_float16", shown
        return "float32", shown if weakest > (0, 0) else "the compute capability is unknown"
    found = sorted(BFLOAT16_FLAGS & set(flags))
    if found:
        return "mixed_bfloat16", f"the processor has {found[0]}"
    return "float32", "the processor has no bfloat16 arithmetic that is known of"


def processor_flags(cpuinfo: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """What the processor can do, as Linux lists it; empty on other systems."""
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return frozenset()
    lines = (line.partition(":") for line in text.splitlines())
    return frozenset(flag for key, _, value in lines if key.strip() in ("flags", "Features") for flag in value.split())


def processor_model(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Name of the processor, or of its architecture where the system does not tell."""
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    names = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def input_workers(on_gpu: bool) -> int:
    """Threads that prepare batches: most cores where a GPU computes; where the cores compute, no more than they need.

    Testing/Benchmarks/training_step.py says how long a step waits with each number.
    """
    return max(1, min(MOST_WORKERS, cores() - 1)) if on_gpu else max(1, min(MOST_WORKERS, cores() // 4))


def visible_gpus() -> list[Gpu]:
    """The GPUs of Keras' backend, in its order."""
    import keras

    return {"tensorflow": _gpus_of_tensorflow, "torch": _gpus_of_torch, "jax": _gpus_of_jax}.get(
        keras.config.backend(), list
    )()


def _gpus_of_tensorflow() -> list[Gpu]:
    import tensorflow as tf

    found = []
    for index, device in enumerate(tf.config.list_physical_devices("GPU")):
        details = tf.config.experimental.get_device_details(device)
        capability = tuple(details.get("compute_capability", (0, 0)))
        found.append(Gpu(f"GPU:{index}", details.get("device_name", "GPU"), capability))
    return found


def _gpus_of_torch() -> list[Gpu]:
    import torch

    if not torch.cuda.is_available():
        return []
    return [
        Gpu(f"GPU:{index}", torch.cuda.get_device_name(index), torch.cuda.get_device_capability(index))
        for index in range(torch.cuda.device_count())
    ]


def _gpus_of_jax() -> list[Gpu]:
    import jax

    found = []
    for index, device in enumerate(d for d in jax.devices() if d.platform == "gpu"):
        major, _, minor = str(getattr(device, "compute_capability", "0.0")).partition(".")
        found.append(Gpu(f"GPU:{index}", device.device_kind, (int(major), int(minor or 0))))
    return found
