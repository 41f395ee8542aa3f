"""Building blocks shared by the networks: convolution, residual block, CBAM attention.

Every function takes and returns Keras tensors, channels last, so that one code serves any Keras backend. The number
of spatial dimensions (2 or 3) is read from the input. Normalisation is over channels only (LayerNorm): its statistics
do not depend on the size of the input, so a network that was trained on patches gives the same answer on a larger tile.
"""

from __future__ import annotations

from collections.abc import Sequence

#: A foreign bundle that asks for more channels than this would only exhaust the memory.
WIDEST = 2048


def check_levels(tile: Sequence[int | None], filters: Sequence[int]) -> None:
    """Refuse an encoder-decoder that cannot be built.

    Args:
        tile: size of the input in voxels, (z, y, x) or (y, x); None is any size.
        filters: channels of each level, the finest first; each level has half the edges of the one before.

    Raises:
        ValueError: there is no level, one is absurdly wide, or an edge of the tile cannot be halved often enough.
    """
    if not filters or max(filters) > WIDEST:
        raise ValueError(f"filters must name one to {WIDEST} channels for each of at least one level")
    factor = 2 ** (len(filters) - 1)
    if any(edge is not None and edge % factor for edge in tile):
        raise ValueError(f"every edge of the tile {tuple(tile)} must be a multiple of {factor}")


def spatial_rank(x) -> int:
    """Number of spatial dimensions of a channels-last batch tensor."""
    return len(x.shape) - 2


def convolution(x, filters: int, kernel: int = 3, *, use_bias: bool = True, name: str):
    """Same-padded convolution with He initialisation.

    Args:
        x: tensor (batch, *space, channels).
        filters: number of output channels.
        kernel: edge of the kernel in voxels.
        use_bias: whether a bias is added.
        name: name of the layer.
    """
    from keras import layers

    layer = {2: layers.Conv2D, 3: layers.Conv3D}[spatial_rank(x)]
    return layer(filters, kernel, padding="same", use_bias=use_bias, kernel_initializer="he_normal", name=name)(x)


def normalised_activation(x, *, name: str):
    """LayerNorm over the channels, then ReLU."""
    from keras import layers

    x = layers.LayerNormalization(epsilon=1e-5, name=f"{name}_norm")(x)
    return layers.Activation("relu", name=f"{name}_relu")(x)


def residual_block(x, filters: int, *, name: str):
    """Two 3-wide convolutions with LayerNorm, added to the (projected) input: He et al. 2016, with LayerNorm.

    Args:
        x: tensor (batch, *space, channels).
        filters: number of output channels.
        name: prefix of the layers' names.

    Returns:
        tensor (batch, *space, filters).
    """
    from keras import layers

    shortcut = x
    if x.shape[-1] != filters:
        shortcut = convolution(x, filters, 1, name=f"{name}_project")
    x = convolution(x, filters, use_bias=False, name=f"{name}_conv1")
    x = normalised_activation(x, name=f"{name}_1")
    x = convolution(x, filters, use_bias=False, name=f"{name}_conv2")
    x = layers.LayerNormalization(epsilon=1e-5, name=f"{name}_2_norm")(x)
    x = layers.Add(name=f"{name}_add")([x, shortcut])
    return layers.Activation("relu", name=f"{name}_relu")(x)


def downsample(x, filters: int, *, name: str):
    """Halve every spatial axis by a strided convolution of width 2."""
    from keras import layers

    layer = {2: layers.Conv2D, 3: layers.Conv3D}[spatial_rank(x)]
    return layer(filters, 2, strides=2, padding="valid", kernel_initializer="he_normal", name=name)(x)


def upsample(x, filters: int, *, name: str):
    """Double every spatial axis by a transposed convolution of width 2."""
    from keras import layers

    layer = {2: layers.Conv2DTranspose, 3: layers.Conv3DTranspose}[spatial_rank(x)]
    return layer(filters, 2, strides=2, padding="valid", kernel_initializer="he_normal", name=name)(x)


def channel_attention(x, *, reduction: int, name: str):
    """Channel attention of CBAM: sigmoid(MLP(mean over space) + MLP(max over space)), one MLP for both.

    Source: Woo et al., "CBAM: Convolutional Block Attention Module", ECCV 2018, section 3.
    """
    from keras import layers

    channels = x.shape[-1]
    rank = spatial_rank(x)
    mean_pool = {2: layers.GlobalAveragePooling2D, 3: layers.GlobalAveragePooling3D}[rank]
    max_pool = {2: layers.GlobalMaxPooling2D, 3: layers.GlobalMaxPooling3D}[rank]
    hidden = layers.Dense(max(1, channels // reduction), activation="relu", name=f"{name}_squeeze")
    output = layers.Dense(channels, name=f"{name}_excite")
    mean = output(hidden(mean_pool(name=f"{name}_mean")(x)))
    peak = output(hidden(max_pool(name=f"{name}_max")(x)))
    weights = layers.Activation("sigmoid", name=f"{name}_sigmoid")(layers.Add(name=f"{name}_sum")([mean, peak]))
    weights = layers.Reshape((1,) * rank + (channels,), name=f"{name}_shape")(weights)
    return layers.Multiply(name=f"{name}_scale")([x, weights])


def spatial_attention(x, *, kernel: int, name: str):
    """Spatial attention of CBAM: sigmoid(conv([mean over channels, max over channels])).

    Source: Woo et al., "CBAM: Convolutional Block Attention Module", ECCV 2018, section 3.
    """
    from keras import layers, ops

    mean = ops.mean(x, axis=-1, keepdims=True)
    peak = ops.max(x, axis=-1, keepdims=True)
    weights = layers.Concatenate(name=f"{name}_pool")([mean, peak])
    weights = convolution(weights, 1, kernel, use_bias=False, name=f"{name}_conv")
    weights = layers.Activation("sigmoid", name=f"{name}_sigmoid")(weights)
    return layers.Multiply(name=f"{name}_scale")([x, weights])


def cbam(x, *, reduction: int = 8, kernel: int = 7, name: str):
    """Convolutional block attention: channel attention, then spatial attention (Woo et al. 2018).

    The channel weights come from a mean and a maximum over the whole input, so a network with CBAM has to be run at
    the tile size that it was trained with.

    Args:
        x: tensor (batch, *space, channels).
        reduction: the MLP of the channel attention has channels // reduction hidden units.
        kernel: edge of the kernel of the spatial attention, in voxels.
        name: prefix of the layers' names.
    """
    x = channel_attention(x, reduction=reduction, name=f"{name}_channel")
    return spatial_attention(x, kernel=kernel, name=f"{name}_spatial")
