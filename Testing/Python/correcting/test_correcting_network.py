"""The correcting network: as Keras computes it, whole in its file, and of no effect where nothing was changed."""

from __future__ import annotations

import numpy as np
import pytest
from made_corrections import array_of, made_network, made_scan
from sentences import refusal

from ParotidSegLib.correcting.expected.carrying import expected_distances
from ParotidSegLib.correcting.expected.gland import Gland, Strokes
from ParotidSegLib.correcting.expected.network import MAGIC, CorrectingNetwork, network_of, shipped_network
from ParotidSegLib.correcting.expected.network_input import CARRIED, CHANNELS, lattice_of, network_input, say
from ParotidSegLib.correcting.expected.residual import carried_distances
from ParotidSegLib.errors import BundleError
from ParotidSegLib.model.bundle import load_bundle


def made_gland(is_left: bool = False) -> tuple[Gland, Strokes]:
    scan = made_scan()
    label = 2 if is_left else 1
    automatic, wanted = array_of(scan.automatic) == label, array_of(scan.wanted) == label
    inside = np.flatnonzero(automatic.any(axis=(1, 2)))[[3, 9]]
    gland = Gland(array_of(scan.image).astype(np.float32), automatic, None, (2.5, 3.5, 3.5), is_left)
    return gland, Strokes(inside, wanted[inside])


def test_the_network_computes_what_keras_computes():
    keras = pytest.importorskip("keras")
    network = made_network()
    inputs = keras.Input((None, None, None, CHANNELS))
    values = inputs
    for number, (kernel, _) in enumerate(network.layers, start=1):
        last = number == len(network.layers)
        layer = keras.layers.Conv3D(
            kernel.shape[-1], kernel.shape[0], padding="same", activation=None if last else "relu"
        )
        result = layer(values)
        values = keras.layers.Add()([values, result]) if values.shape[-1] == result.shape[-1] else result
    model = keras.Model(inputs, values)
    model.set_weights([array for pair in network.layers for array in pair])
    given = np.random.default_rng(3).normal(size=(7, 6, 5, CHANNELS)).astype(np.float32)
    assert network(given) == pytest.approx(np.asarray(model(given[None]))[0, ..., 0], abs=1e-4)


def test_a_network_comes_back_whole_from_its_file():
    network = made_network()
    again = CorrectingNetwork.from_bytes(network.to_bytes())
    for (kernel, bias), (other, other_bias) in zip(network.layers, again.layers, strict=True):
        assert np.array_equal(kernel, other)
        assert np.array_equal(bias, other_bias)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:-2],
        lambda content: content + b"\0\0",
        lambda content: content.removeprefix(MAGIC),
        lambda content: content.replace(b"[3, 3, 3, 13, 6]", b"[3, 3, 3, 12, 6]"),
        lambda content: content.replace(b"[3, 3, 3, 13, 6]", b"[9, 9, 9, 13, 6]"),
        lambda content: content[:-2] + np.array([np.nan], "<f2").tobytes(),
        lambda content: MAGIC + b"[]\n",
        lambda content: MAGIC + b"{}\n",
        lambda content: MAGIC + b"\xff\n",
    ],
)
def test_a_damaged_file_gets_one_sentence(damage):
    assert "damaged" in refusal(BundleError, CorrectingNetwork.from_bytes, damage(made_network().to_bytes()))


def test_the_bundle_that_runs_unless_told_otherwise_has_a_network():
    network = shipped_network()
    assert network is not None
    assert network_of(load_bundle("parotid-ct")) is not None
    assert network_of(load_bundle("parotid-ct-attention")) is None
    gland, strokes = made_gland()
    changed = expected_distances(gland, strokes, network) - carried_distances(gland, strokes)
    assert 0.01 < np.abs(changed).max() < 20.0


def test_the_left_gland_looks_to_the_network_like_the_mirrored_right_one():
    gland, strokes = made_gland()
    mirrored = Gland(gland.ct[:, :, ::-1], gland.automatic[:, :, ::-1], None, gland.spacing, is_left=True)
    seen = network_input(gland, strokes, lattice_of(gland))
    other = network_input(mirrored, Strokes(strokes.slices, strokes.masks[:, :, ::-1]), lattice_of(mirrored))
    assert seen == pytest.approx(other, abs=1e-4)


def test_the_input_begins_with_what_the_residual_gives():
    gland, strokes = made_gland()
    lattice = lattice_of(gland)
    seen = network_input(gland, strokes, lattice)
    assert seen.shape == (*lattice.shape, CHANNELS)
    # The lattice is the scan's own grid here.
    assert seen[..., CARRIED] * 8.0 == pytest.approx(carried_distances(gland, strokes), abs=1e-3)


def test_a_stroke_that_changed_next_to_nothing_gives_the_network_next_to_no_say():
    gland, strokes = made_gland()
    assert say(gland, strokes) == 1.0
    masks = gland.automatic[strokes.slices].copy()
    assert say(gland, Strokes(strokes.slices, masks)) == 0.0
    masks[0][tuple(np.argwhere(masks[0])[0])] = False
    assert 0.0 < say(gland, Strokes(strokes.slices, masks)) < 0.3
