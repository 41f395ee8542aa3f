"""The U-Net of double convolutions, in two or three dimensions, with a choice of norm, activation and dropout."""

from __future__ import annotations

from collections.abc import Sequence

from .blocks import check_levels, convolution, spatial_rank, upsample

NORMS = ("batch", "layer")
ACTIVATIONS = ("relu", "leaky_relu")
#: Slope of the leaky ReLU below zero: Maas et al. 2013.
LEAK = 0.01


def plain_unet(
    *,
    tile: Sequence[int],
    input_channels: int = 1,
    classes: int = 3,
    filters: Sequence[int] = (32, 64, 128, 256),
    norm: str = "batch",
    activation: str = "relu",
    dropout: float = 0.0,
    name: str = "plain_unet",
):
    """Encoder-decoder of double convolutions with max pooling, transposed convolutions and skip connections.

    Source of the shape: Ronneberger et al. 2015 (U-Net), Çiçek et al. 2016 (3D, with batch norm). Batch norm uses its
    moving averages at inference, layer norm is over the channels alone: neither depends on the size of the tile then.

    Args:
        tile: size of the input in voxels, (z, y, x) or (y, x); every edge a multiple of 2 ** (len(filters) - 1).
        input_channels: channels of the input image.
        classes: channels of the output, background included.
        filters: channels of each level, the finest first; the last one lies below all max poolings.
        norm: "batch" (Ioffe and Szegedy 2015) or "layer" (Ba et al. 2016, over the channels).
        activation: "relu" or "leaky_relu".
        dropout: share of the values dropped between the two convolutions of a block in training, from 0 to below 1.
        name: name of the model.

    Returns:
        A keras.Model from (batch, *tile, input_channels) to float32 logits (batch, *tile, classes).

    Raises:
        ValueError: there is no level, one is absurdly wide, an edge of the tile cannot be halved often enough, the
            norm or the activation is unknown, or the dropout is no share.
    """
    import keras
    from keras import layers

    check_levels(tile, filters)
    if norm not in NORMS:
        raise ValueError(f"norm must be one of {', '.join(NORMS)}")
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation must be one of {', '.join(ACTIVATIONS)}")
    if not 0.0 <= dropout < 1.0:
        raise ValueError("dropout must be at least 0 and below 1")

    def block(x, width: int, name: str):
        return double_convolution(x, width, norm=norm, activation=activation, dropout=dropout, name=name)

    inputs = keras.Input((*tile, input_channels), name="image")
    x = inputs
    skips = []
    for level, width in enumerate(filters):
        if level:
            x = max_pool(x, name=f"pool{level}")
        x = block(x, width, f"encoder{level}")
        skips.append(x)
    for level in reversed(range(len(filters) - 1)):
        x = upsample(x, filters[level], name=f"up{level}")
        x = layers.Concatenate(name=f"join{level}")([skips[level], x])
        x = block(x, filters[level], f"decoder{level}")
    x = convolution(x, classes, 1, name="logits")
    outputs = layers.Activation("linear", dtype="float32", name="logits_float32")(x)
    return keras.Model(inputs, outputs, name=name)


def double_convolution(x, filters: int, *, norm: str, activation: str, dropout: float, name: str):
    """Twice a 3-wide convolution, a norm and an activation; dropout between the two.

    Args:
        x: tensor (batch, *space, channels).
        filters: number of output channels.
        norm, activation, dropout: as in `plain_unet`.
        name: prefix of the layers' names.

    Returns:
        tensor (batch, *space, filters).
    """
    from keras import layers

    for step in (1, 2):
        # The norm that follows takes the place of a bias.
        x = convolution(x, filters, use_bias=False, name=f"{name}_conv{step}")
        if norm == "batch":
            x = layers.BatchNormalization(name=f"{name}_{step}_norm")(x)
        else:
            x = layers.LayerNormalization(epsilon=1e-5, name=f"{name}_{step}_norm")(x)
        if activation == "relu":
            x = layers.Activation("relu", name=f"{name}_{step}_relu")(x)
        else:
            x = layers.LeakyReLU(negative_slope=LEAK, name=f"{name}_{step}_leaky_relu")(x)
        if dropout and step == 1:
            x = layers.Dropout(dropout, name=f"{name}_dropout")(x)
    return x


def max_pool(x, *, name: str):
    """Halve every spatial axis by the maximum of each pair of voxels."""
    from keras import layers

    return {2: layers.MaxPooling2D, 3: layers.MaxPooling3D}[spatial_rank(x)](2, name=name)(x)
