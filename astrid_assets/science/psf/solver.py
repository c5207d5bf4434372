"""The least-squares problem of the PSF: its nodes from the pixels of many stars.

Solved by conjugate gradients, so that no matrix is ever formed: it only needs the
spline evaluated on the pixels, and the transpose of that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from astrid_assets.science.stars.stamp_kernels import gather_all, lay_all

Array = NDArray[np.float64]

ENOUGH = 1e-4
"""The solver ends when its residual has decreased to this share."""

VARYING_FREEDOM = 0.3
"""Size of the varying terms as a share of the profile."""

LEAST_FREEDOM = 1e-6
"""Share of the profile's peak: wings that the profile lacks may still be fitted."""


@dataclass(frozen=True)
class StarPixels:
    """Pixels of the PSF stars, with the stars' positions in them.

    Attributes
    ----------
    light : (n, s, s)
        Light of the pixels over the star's flux.
    weight : (n, s, s)
        Inverse variance of `light`; zero where a pixel does not count.
    terms : (n, k)
        Polynomial of the position.
    shift : (n, 2)
        Offset (dy, dx) of the star from the stamp's middle, pixels.
    step
        Nodes per pixel.
    """

    light: Array
    weight: Array
    terms: Array
    shift: Array
    step: int

    def only(self, keep: NDArray[np.bool_]) -> StarPixels:
        """Return the sample of some of the stars.

        Parameters
        ----------
        keep : (n,)
            True for the stars to keep.

        Returns
        -------
        sample
            The sample of those stars.
        """
        return StarPixels(
            self.light[keep], self.weight[keep], self.terms[keep], self.shift[keep], self.step
        )

    def laid(self, nodes: Array) -> Array:
        """Return the model's pixels.

        Parameters
        ----------
        nodes : (k, m, m)
            PSF, one grid per polynomial term.

        Returns
        -------
        pixels : (n, s, s)
            Over the star's flux.
        """
        out = np.empty_like(self.light)
        radius = self.light.shape[1] // 2
        lay_all(nodes, self.terms, self.shift, self.step, radius, out)
        return out

    def gathered(self, pixels: Array, size: int, *, squared: bool = False) -> Array:
        """Return pixels summed on the nodes that they depend on: the transpose of `laid`.

        Parameters
        ----------
        pixels : (n, s, s)
            Values of the pixels.
        size
            Side of the grid of nodes.
        squared
            Whether all weights are squared: the diagonal of the normal matrix.

        Returns
        -------
        nodes : (k, size, size)
            One grid per polynomial term.
        """
        out = np.zeros((self.terms.shape[1], size, size))
        gather_all(pixels, self.terms, self.shift, self.step, squared, out)
        return out

    def information(self, size: int) -> Array:
        """Return the inverse variance of each node if all others were known.

        Parameters
        ----------
        size
            Side of the grid of nodes.

        Returns
        -------
        information : (k, size, size)
            One grid per polynomial term.
        """
        return self.gathered(self.weight, size, squared=True)


@dataclass(frozen=True)
class Prior:
    """Expectation of the nodes before the stars are used.

    They are the profile (zero for the varying terms) plus something smooth whose
    size is a share of the profile: ``nodes = target + S (freedom z)`` with normal
    z of unit variance, S a Gaussian smoothing that keeps the variance.
    """

    target: Array
    freedom: Array
    smoothing: Array

    def nodes(self, z: Array) -> Array:
        """Return the nodes of given deviations.

        Parameters
        ----------
        z : (k, m, m)
            Deviations, of unit variance.

        Returns
        -------
        nodes : (k, m, m)
            ``target + S (freedom z)``.
        """
        return self.target + self.linear(z)

    def linear(self, z: Array) -> Array:
        """Return the deviations of the nodes from the target.

        Parameters
        ----------
        z : (k, m, m)
            Deviations, of unit variance.

        Returns
        -------
        deviations : (k, m, m)
            ``S (freedom z)``.
        """
        return (self.smoothing @ (self.freedom * z) @ self.smoothing) * (self.freedom > 0)

    def transposed(self, nodes: Array) -> Array:
        """Return the transpose of `linear` applied to nodes.

        Parameters
        ----------
        nodes : (k, m, m)
            One grid per polynomial term.

        Returns
        -------
        z : (k, m, m)
            ``freedom (S nodes)``.
        """
        return self.freedom * (self.smoothing @ (nodes * (self.freedom > 0)) @ self.smoothing)


def prior(profile: Array, count: int, freedom: float, smoothing_nodes: float) -> Prior:
    """Constrain nodes to a profile.

    Parameters
    ----------
    profile : (m, m)
        Zero where there is no PSF: nodes there stay zero.
    count
        Polynomial terms.
    freedom
        Standard deviation granted to a node, as a share of the profile.
    smoothing_nodes
        Standard deviation of the smoothing.

    Returns
    -------
    prior
        Prior of `count` grids of nodes.
    """
    inside = profile != 0
    floor = LEAST_FREEDOM * profile.max()
    share = np.full(count, VARYING_FREEDOM)
    share[0] = freedom
    target = np.zeros((count, *profile.shape))
    target[0] = profile
    span = np.arange(len(profile))
    smoothing = np.exp(-0.5 * ((span[:, None] - span[None, :]) / smoothing_nodes) ** 2)
    smoothing /= np.sqrt((smoothing**2).sum(axis=0)[len(profile) // 2])
    granted = share[:, None, None] * (np.abs(profile) + floor) * inside
    return Prior(target, granted, smoothing)


def solve_nodes(
    start: Array, sample: StarPixels, expected: Prior, steps: int
) -> tuple[Array, Array]:
    """Return the nodes that fit the pixels best under the prior, and their z.

    Minimises the weighted squares of the pixels plus those of z.

    Parameters
    ----------
    start : (k, m, m)
        z to start from.
    sample
        The pixels.
    expected
        The prior.
    steps
        Largest number of iterations.

    Returns
    -------
    nodes : (k, m, m)
        One grid per polynomial term.
    z : (k, m, m)
        Their deviations from the prior.

    References
    ----------
    Hestenes & Stiefel 1952, J. Res. Natl. Bur. Stand. 49, 409; with the diagonal as
    preconditioner.
    """
    size = start.shape[1]

    def normal(z: Array) -> Array:
        laid = sample.weight * sample.laid(expected.linear(z))
        return z + expected.transposed(sample.gathered(laid, size))

    information = sample.information(size)
    scale = 1 / (1 + expected.freedom**2 * information)
    missing = sample.weight * (sample.light - sample.laid(expected.target))
    right = expected.transposed(sample.gathered(missing, size))
    z = start
    left = right - normal(z)
    conditioned = scale * left
    direction, product = conditioned, float((left * conditioned).sum())
    enough = ENOUGH**2 * float((right * scale * right).sum())
    for _ in range(steps):
        if not product > enough:
            break
        image = normal(direction)
        length = product / float((direction * image).sum())
        z = z + length * direction
        left = left - length * image
        conditioned = scale * left
        before, product = product, float((left * conditioned).sum())
        direction = conditioned + product / before * direction
    return expected.nodes(z), z


def normalised(nodes: Array, step: int) -> Array:
    """Give the first term unit sum and the others zero sum, anywhere in a pixel.

    Nodes that are a whole number of pixels apart form a class. Where all classes have the same
    sum, the spline has that sum over pixels, wherever the star falls.

    Parameters
    ----------
    nodes : (k, m, m)
        One grid per polynomial term.
    step
        Nodes per pixel.

    Returns
    -------
    nodes : (k, m, m)
        A new array.
    """
    out = nodes.copy()
    middle = nodes.shape[1] // 2
    for a in range(step):
        for b in range(step):
            of_class = np.s_[(middle + a) % step :: step, (middle + b) % step :: step]
            out[0][of_class] /= out[0][of_class].sum()
            for k in range(1, len(out)):
                out[k][of_class] -= out[0][of_class] * out[k][of_class].sum()
    return out
