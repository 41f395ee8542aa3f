"""What is chosen for which hardware; the hardware itself is made up."""

from __future__ import annotations

import pytest
from sentences import refusal

from ParotidSegLib.errors import RecipeError
from ParotidSegTrainingLib.recipe import Optimisation
from ParotidSegTrainingLib.training import devices, hardware
from ParotidSegTrainingLib.training.devices import chosen_devices, first_gpus
from ParotidSegTrainingLib.training.hardware import (
    Gpu,
    choose_precision,
    input_workers,
    processor_flags,
    processor_model,
)

keras = pytest.importorskip("keras")

H100, V100, GTX = Gpu("GPU:0", "H100", (9, 0)), Gpu("GPU:1", "V100", (7, 0)), Gpu("GPU:2", "GTX 1080", (6, 1))
CPUINFO = "processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nflags\t\t: fpu avx2 {}\n\nprocessor\t: 1\n"


@pytest.mark.parametrize(
    ("gpus", "flags", "precision"),
    [
        ([], {"avx2", "avx512f"}, "float32"),
        ([], {"avx2", "avx512_bf16"}, "mixed_bfloat16"),
        ([], {"amx_bf16"}, "mixed_bfloat16"),
        ([], set(), "float32"),
        ([H100], set(), "mixed_bfloat16"),
        ([Gpu("GPU:0", "A100", (8, 0))], set(), "mixed_bfloat16"),
        ([V100], {"avx512_bf16"}, "mixed_float16"),
        ([GTX], {"avx512_bf16"}, "float32"),
        ([H100, V100], set(), "mixed_float16"),
        ([Gpu("GPU:0")], {"avx512_bf16"}, "float32"),
    ],
)
def test_the_precision_is_the_fastest_that_all_that_computes_has(gpus, flags, precision):
    chosen, reason = choose_precision("auto", gpus, flags)
    assert chosen == precision
    assert reason


@pytest.mark.parametrize("wanted", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_a_recipe_that_names_a_precision_gets_it(wanted):
    assert choose_precision(wanted, [H100], set())[0] == wanted
    assert choose_precision(wanted, [], set()) == (wanted, "the recipe asks for it")


def test_flags_and_model_of_the_processor_are_read_where_linux_lists_them(tmp_path):
    path = tmp_path / "cpuinfo"
    path.write_text(CPUINFO.format("avx512_bf16"), encoding="utf-8")
    assert processor_flags(path) == {"fpu", "avx2", "avx512_bf16"}
    assert processor_model(path) == "Some CPU @ 2 GHz"
    path.write_text("Features\t: fp asimd bf16\n", encoding="utf-8")
    assert processor_flags(path) == {"fp", "asimd", "bf16"}
    assert processor_flags(tmp_path / "nothing") == frozenset()
    assert processor_model(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("cores", "on_gpu", "workers"), [(1, False, 1), (2, False, 1), (16, False, 4), (2, True, 1), (16, True, 8)]
)
def test_the_input_takes_more_threads_where_a_gpu_computes(monkeypatch, cores, on_gpu, workers):
    monkeypatch.setattr(hardware, "cores", lambda: cores)
    assert input_workers(on_gpu) == workers


def chosen(monkeypatch, batch_size: int, gpus: int, *, accumulate: int = 1, backend="tensorflow", wanted=None):
    monkeypatch.setattr(keras.config, "backend", lambda: backend)
    lines: list[str] = []
    settings = Optimisation(batch_size=batch_size, accumulate=accumulate)
    names = chosen_devices(settings, [Gpu(f"GPU:{i}") for i in range(gpus)], wanted, lines.append)
    return len(names), lines


def test_all_gpus_train_as_far_as_a_batch_can_be_divided(monkeypatch):
    assert chosen(monkeypatch, 2, 0) == (0, [])
    assert chosen(monkeypatch, 2, 1) == (0, [])
    assert chosen(monkeypatch, 4, 2) == (2, [])
    assert chosen(monkeypatch, 4, 3) == (2, ["2 of 3 GPUs train because batches of 4 can be divided no further"])
    assert chosen(monkeypatch, 3, 2) == (0, ["1 of 2 GPUs train because batches of 3 can be divided no further"])


def test_what_a_backend_cannot_do_with_several_gpus_is_reported_or_refused(monkeypatch):
    count, lines = chosen(monkeypatch, 4, 2, accumulate=2)
    assert (count, len(lines)) == (0, 1)
    assert chosen(monkeypatch, 4, 2, accumulate=2, backend="jax") == (2, [])
    assert chosen(monkeypatch, 4, 2, backend="torch")[0] == 0
    two = ["GPU:0", "GPU:1"]
    for case in ({"accumulate": 2}, {"backend": "torch"}):
        assert "name one" in refusal(RecipeError, chosen, monkeypatch, 4, 2, wanted=two, **case)
    assert "multiple of the 2 devices" in refusal(RecipeError, chosen, monkeypatch, 3, 2, wanted=two)
    assert chosen(monkeypatch, 4, 2, wanted=two) == (2, [])
    assert chosen(monkeypatch, 4, 2, wanted=two[:1]) == (0, [])


def test_more_gpus_than_there_are_are_refused(monkeypatch):
    monkeypatch.setattr(devices, "visible_gpus", lambda: [H100, V100])
    assert first_gpus(1) == ["GPU:0"]
    assert first_gpus(2) == ["GPU:0", "GPU:1"]
    assert "sees 2" in refusal(RecipeError, first_gpus, 3)
