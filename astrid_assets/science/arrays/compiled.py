"""Loops over pixels that numpy cannot express, compiled by numba.

Only kernels are compiled: short functions over arrays and numbers, in modules
named ``*_kernels.py``. They release the GIL, so `threads.in_bands` can run one of
them over bands of rows; numba's own threads are not used, because a worker process
must be able to limit the number of cores it uses.

The machine code is cached on disk and rebuilt when that one file changes: below the home
where `resources.environment.keep_compiled_code` ran first (the command line, the graph and `api`
do), beside the source where a notebook imports a kernel by itself. A kernel that calls a
kernel of another file would not notice a change there, so each file contains the kernels
that its kernels call; `resampling_kernels` alone calls another file,
`pixel_mapping_kernels`, and both must change together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ParamSpec, TypeVar, cast

from numba import njit

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a kernel; NaN, infinities and division by zero behave as in numpy.

    Parameters
    ----------
    function
        Over arrays and numbers; compiled at its first call.

    Returns
    -------
    kernel
        The same function, compiled; it releases the GIL.
    """
    return cast(
        "Callable[P, R]",
        njit(cache=True, nogil=True, error_model="numpy")(function),
    )


def compiled_sums(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a kernel whose sums may be reordered, which lets them be vectorised.

    For kernels that never see NaN; the last bits may differ between processors.

    Parameters
    ----------
    function
        Over arrays and numbers; compiled at its first call.

    Returns
    -------
    kernel
        The same function, compiled; it releases the GIL.
    """
    return cast(
        "Callable[P, R]",
        njit(
            cache=True,
            nogil=True,
            error_model="numpy",
            fastmath={"contract", "reassoc", "nsz", "arcp"},
        )(function),
    )
