"""The attention variant of the residual U-Net: CBAM after every residual block."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from .blocks import cbam
from .residual_unet import residual_unet


def attention_unet(
    *,
    tile: Sequence[int],
    input_channels: int = 1,
    classes: int = 3,
    filters: Sequence[int] = (16, 32, 64, 128, 256),
    reduction: int = 8,
    kernel: int = 7,
    name: str = "attention_unet",
):
    """Residual U-Net with a convolutional block attention module (channel, then spatial) after each residual block.

    Source of the attention: Woo et al., ECCV 2018. Its channel weights depend on the whole tile, so run it at the tile
    size that it was trained with.

    Args:
        tile, input_channels, classes, filters, name: as in `residual_unet`.
        reduction: reduction of the channel attention's hidden layer.
        kernel: edge of the spatial attention's kernel in voxels.

    Returns:
        A keras.Model from (batch, *tile, input_channels) to float32 logits (batch, *tile, classes).
    """
    return residual_unet(
        tile=tile,
        input_channels=input_channels,
        classes=classes,
        filters=filters,
        after_block=partial(cbam, reduction=reduction, kernel=kernel),
        name=name,
    )
