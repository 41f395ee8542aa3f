"""TransUNet: a residual encoder, a transformer over its deepest feature map, and an upsampling decoder, for slices."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .blocks import WIDEST, check_levels, convolution, downsample, normalised_activation, residual_block

#: Attention takes memory with the square of the number of patches: 4096 are a slice of 512 × 512 at an eighth.
MOST_PATCHES = 4096
#: The largest vision transformers have fewer blocks than this.
DEEPEST = 64


def transunet(
    *,
    tile: Sequence[int],
    input_channels: int = 1,
    classes: int = 3,
    filters: Sequence[int] = (16, 32, 64, 128, 256),
    width: int = 256,
    depth: int = 4,
    heads: int = 4,
    mlp_ratio: int = 4,
    dropout: float = 0.0,
    name: str = "transunet",
):
    """Convolutional encoder, transformer and cascaded upsampler with skip connections, for two-dimensional slices.

    Source: Chen et al. 2021, arXiv 2102.04306, in its hybrid form with patches of one voxel of the deepest feature map.
    Here the residual encoder starts at full resolution, so that each step of the decoder has a skip connection. The
    position embedding has one vector per patch, so the network serves only the tile that it was trained with.

    Args:
        tile: size of the slice in voxels, (y, x); every edge a multiple of 2 ** (len(filters) - 1).
        input_channels: channels of the input image.
        classes: channels of the output, background included.
        filters: channels of each level of the encoder and decoder, the finest first.
        width: channels of the transformer; a multiple of heads.
        depth: number of transformer blocks.
        heads: number of attention heads in each block.
        mlp_ratio: the hidden layer of a block's MLP has mlp_ratio * width units.
        dropout: share of the values dropped in the transformer in training, from 0 to below 1.
        name: name of the model.

    Returns:
        A keras.Model from (batch, *tile, input_channels) to float32 logits (batch, *tile, classes).

    Raises:
        ValueError: the tile is no slice, an edge of it cannot be halved often enough, too many patches are left, or
            a width, depth, number of heads, ratio or dropout makes no sense.
    """
    import keras
    from keras import layers

    _check(tile, filters, width=width, depth=depth, heads=heads, mlp_ratio=mlp_ratio, dropout=dropout)
    inputs = keras.Input((*tile, input_channels), name="image")
    skips = _encoder(inputs, filters)
    deepest = skips.pop()

    x = patch_embedding(deepest, width, name="patches")
    if dropout:
        x = layers.Dropout(dropout, name="patches_dropout")(x)
    for index in range(depth):
        x = transformer_block(x, heads=heads, mlp_width=mlp_ratio * width, dropout=dropout, name=f"transformer{index}")
    x = layers.LayerNormalization(epsilon=1e-5, name="transformer_norm")(x)
    x = layers.Reshape((*deepest.shape[1:-1], width), name="unpatch")(x)

    x = _convolution_relu(x, filters[-1], name="decoder_input")
    for level in reversed(range(len(skips))):
        x = layers.UpSampling2D(2, interpolation="bilinear", name=f"up{level}")(x)
        x = layers.Concatenate(name=f"join{level}")([skips[level], x])
        x = _convolution_relu(x, filters[level], name=f"decoder{level}_1")
        x = _convolution_relu(x, filters[level], name=f"decoder{level}_2")
    x = convolution(x, classes, 1, name="logits")
    outputs = layers.Activation("linear", dtype="float32", name="logits_float32")(x)
    return keras.Model(inputs, outputs, name=name)


def patch_embedding(x, width: int, *, name: str):
    """Each voxel of a feature map as a patch: projected to the width, plus a learned vector for its position.

    Args:
        x: tensor (batch, y, x, channels) of known size.
        width: number of output channels.
        name: prefix of the layers' names.

    Returns:
        tensor (batch, patches, width), the patches in the order of (y, x).
    """
    from keras import initializers, layers

    patches = math.prod(x.shape[1:-1])
    x = layers.Reshape((patches, x.shape[-1]), name=f"{name}_flat")(x)
    # A bias for each patch and channel is a position embedding, and needs no layer of our own.
    return layers.EinsumDense(
        "bpc,cw->bpw",
        output_shape=(patches, width),
        bias_axes="pw",
        bias_initializer=initializers.TruncatedNormal(stddev=0.02),
        name=name,
    )(x)


def transformer_block(x, *, heads: int, mlp_width: int, dropout: float = 0.0, name: str):
    """Pre-norm multi-head self-attention and MLP, each added to its input: Dosovitskiy et al. 2021, equations 2 and 3.

    Args:
        x: tensor (batch, patches, width); the width is a multiple of heads.
        heads: number of attention heads.
        mlp_width: units of the MLP's hidden layer.
        dropout: share of the values dropped in training.
        name: prefix of the layers' names.

    Returns:
        tensor (batch, patches, width).
    """
    from keras import layers

    width = x.shape[-1]
    y = layers.LayerNormalization(epsilon=1e-5, name=f"{name}_1_norm")(x)
    y = layers.MultiHeadAttention(heads, width // heads, dropout=dropout, name=f"{name}_attention")(y, y)
    if dropout:
        y = layers.Dropout(dropout, name=f"{name}_1_dropout")(y)
    x = layers.Add(name=f"{name}_1_add")([x, y])
    y = layers.LayerNormalization(epsilon=1e-5, name=f"{name}_2_norm")(x)
    y = layers.Dense(mlp_width, activation="gelu", name=f"{name}_expand")(y)
    y = layers.Dense(width, name=f"{name}_contract")(y)
    if dropout:
        y = layers.Dropout(dropout, name=f"{name}_2_dropout")(y)
    return layers.Add(name=f"{name}_2_add")([x, y])


def _check(tile, filters, *, width, depth, heads, mlp_ratio, dropout) -> None:
    if len(tile) != 2:
        raise ValueError(f"it works on slices, so the tile must be (y, x) and not {tuple(tile)}")
    check_levels(tile, filters)
    patches = math.prod(edge // 2 ** (len(filters) - 1) for edge in tile)
    if patches > MOST_PATCHES:
        raise ValueError(f"filters must name more levels, because {patches} patches are more than {MOST_PATCHES}")
    for what, value, most in (("depth", depth, DEEPEST), ("heads", heads, WIDEST), ("mlp_ratio", mlp_ratio, 8)):
        if not isinstance(value, int) or not 1 <= value <= most:
            raise ValueError(f"{what} must be a whole number from 1 to {most}")
    if not isinstance(width, int) or not heads <= width <= WIDEST or width % heads:
        raise ValueError(f"width must be a multiple of the number of heads, {heads}, and at most {WIDEST}")
    if not 0.0 <= dropout < 1.0:
        raise ValueError("dropout must be at least 0 and below 1")


def _encoder(x, filters: Sequence[int]) -> list:
    """The feature map of each level, the finest first."""
    maps = []
    for level, channels in enumerate(filters):
        if level:
            x = downsample(x, channels, name=f"down{level}")
        x = residual_block(x, channels, name=f"encoder{level}")
        maps.append(x)
    return maps


def _convolution_relu(x, filters: int, *, name: str):
    """A 3-wide convolution with LayerNorm and ReLU."""
    return normalised_activation(convolution(x, filters, use_bias=False, name=f"{name}_conv"), name=name)
