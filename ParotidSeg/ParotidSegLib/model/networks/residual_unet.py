"""The residual U-Net with LayerNorm, in two or three dimensions, with or without CBAM attention."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .blocks import check_levels, convolution, downsample, residual_block, upsample


def residual_unet(
    *,
    tile: Sequence[int],
    input_channels: int = 1,
    classes: int = 3,
    filters: Sequence[int] = (16, 32, 64, 128, 256),
    after_block: Callable | None = None,
    name: str = "residual_unet",
):
    """Encoder-decoder of residual blocks with skip connections, logits as output.

    Source of the shape: Ronneberger et al. 2015 (U-Net), Çiçek et al. 2016 (3D), He et al. 2016 (residual blocks),
    Ba et al. 2016 (LayerNorm).

    Args:
        tile: size of the input in voxels, (z, y, x) or (y, x); every edge a multiple of 2 ** (len(filters) - 1).
        input_channels: channels of the input image.
        classes: channels of the output, background included.
        filters: channels of each level, the finest first.
        after_block: called with (tensor, name) after each residual block; the attention variant hooks in here.
        name: name of the model.

    Returns:
        A keras.Model from (batch, *tile, input_channels) to float32 logits (batch, *tile, classes).

    Raises:
        ValueError: there is no level, one is absurdly wide, or an edge of the tile cannot be halved often enough.
    """
    import keras
    from keras import layers

    check_levels(tile, filters)
    after = after_block or (lambda x, name: x)

    inputs = keras.Input((*tile, input_channels), name="image")
    x = inputs
    skips = []
    for level, width in enumerate(filters):
        if level:
            x = downsample(x, width, name=f"down{level}")
        x = after(residual_block(x, width, name=f"encoder{level}"), name=f"encoder{level}_attention")
        skips.append(x)
    for level in reversed(range(len(filters) - 1)):
        x = upsample(x, filters[level], name=f"up{level}")
        x = layers.Concatenate(name=f"join{level}")([skips[level], x])
        x = after(residual_block(x, filters[level], name=f"decoder{level}"), name=f"decoder{level}_attention")
    x = convolution(x, classes, 1, name="logits")
    outputs = layers.Activation("linear", dtype="float32", name="logits_float32")(x)
    return keras.Model(inputs, outputs, name=name)
