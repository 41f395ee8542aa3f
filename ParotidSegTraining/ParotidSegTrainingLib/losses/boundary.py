"""Boundary losses. Logits in, scalar out; any number of classes and of spatial dimensions; any Keras backend.

The lengths of the spatial axes must be known when a graph is built, as they are with tiles of one size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ParotidSegLib.errors import RecipeError

from .distance import squared_boundary_distances, squared_distances
from .focal import weighed_cross_entropy
from .overlap import probabilities_and_target


def hausdorff_dt() -> Callable:
    """Hausdorff distance loss by distance transforms: mean of (p−g)² (DT(p)² + DT(g)²) (Karimi and Salcudean 2020).

    DT is each voxel's distance to the boundary of the mask p > 0.5, or of g, in voxels: to the nearest voxel on the
    other side; 0 where there is no boundary, the mask of a patch being empty or full. No gradient goes through it. The
    mean runs over batch, space and the foreground classes.

    Returns:
        loss(labels, logits): labels integer (batch, *space), logits (batch, *space, classes) -> scalar.
    """

    def loss(labels, logits):
        from keras import ops

        probabilities, target = (tensor[..., 1:] for tensor in probabilities_and_target(labels, logits))
        masks = ops.stack([ops.stop_gradient(probabilities), target]) > 0.5
        squares = squared_boundary_distances(masks, axes=range(2, len(masks.shape) - 1))
        squares = ops.sum(ops.where(ops.isfinite(squares), squares, 0.0), axis=0)
        return ops.mean(ops.square(probabilities - target) * ops.stop_gradient(squares))

    return loss


def distance_weighted_cross_entropy(
    *, alpha: Sequence[float] | None = None, boundary_weight: float = 10.0, sigma: float = 3.0
) -> Callable:
    """Class-weighted cross-entropy plus boundary_weight × cross-entropy weighed by exp(−d²/2σ²), mean over voxels.

    d is a voxel's distance to the nearest label boundary, in voxels: to the nearest voxel of another label of the same
    patch. A patch of one label has no boundary and no second term. The weights of the original U-Net (Ronneberger et
    al. 2015), but with the distance to one boundary, not the sum of those to two objects.

    Args:
        alpha: weight of each class in the first term, background first; None for 1.
        boundary_weight: weight of the second term.
        sigma: the width of the band along the boundary, in voxels.

    Returns:
        loss(labels, logits): labels integer (batch, *space), logits (batch, *space, classes) -> scalar; a RecipeError
        if there are not as many alphas as classes.

    Raises:
        RecipeError: sigma is not above 0.
    """
    if sigma <= 0:
        raise RecipeError("The recipe is not valid: loss.sigma must be above 0.")

    def loss(labels, logits):
        from keras import ops

        _, target = probabilities_and_target(labels, logits)
        own = target > 0.5
        squares = squared_distances(ops.logical_not(own), axes=range(1, len(own.shape) - 1))
        nearness = ops.exp(-squares / (2.0 * sigma**2))
        # Each voxel takes its own class's distance: that to what is not of its class.
        near = ops.sum(ops.where(own, nearness, 0.0), axis=-1)
        by_class = weighed_cross_entropy(labels, logits, alpha=alpha)
        by_distance = weighed_cross_entropy(labels, logits)
        return ops.mean(by_class + boundary_weight * near * by_distance)

    return loss
