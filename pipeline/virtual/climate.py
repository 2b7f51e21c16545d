"""The rain climate of the virtual Mekong: monthly means by region, spread over the lattice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.virtual.weather import distance_km

if TYPE_CHECKING:
    from numpy.typing import NDArray

RAIN_MM = {
    "chiang_saen": (10.4, 13.8, 29, 47, 82, 132, 172, 201, 83, 78, 30, 14.6),
    "luang_prabang": (15, 18.3, 40, 99, 139, 214, 268, 367, 172, 98, 48, 17.8),
    "vientiane": (9.3, 15.9, 47, 79, 188, 255, 218, 364, 177, 118, 25, 7.9),
    "nakhon_phanom": (7, 15, 40, 95, 273, 455, 427, 506, 324, 134, 16.8, 6),
    "mukdahan": (4, 15, 35, 80, 218, 408, 294, 466, 234, 97, 15.6, 4),
    "pakse": (5, 15.5, 44, 70, 136, 243, 169, 331, 151, 147, 24, 4),
    "kratie": (4, 10, 38, 98, 171, 318, 325, 548, 211, 172, 65, 17.3),
    "lower": (8, 6, 25, 75, 160, 180, 195, 210, 250, 240, 110, 30),
    "annam": (70, 30, 30, 45, 90, 90, 90, 130, 320, 560, 380, 200),
    "tonkin": (22, 25, 45, 90, 180, 240, 280, 310, 230, 130, 50, 22),
    "chao_phraya": (8, 18, 35, 75, 180, 150, 165, 190, 280, 190, 40, 8),
    "tenasserim": (30, 25, 60, 130, 300, 300, 290, 300, 360, 330, 190, 70),
    "dry_zone": (3, 3, 6, 25, 120, 130, 110, 140, 160, 120, 35, 8),
    "ayeyarwady_delta": (4, 4, 8, 30, 300, 540, 590, 560, 380, 190, 60, 8),
    "yunnan_sichuan": (10, 14, 25, 45, 90, 170, 210, 200, 120, 70, 28, 10),
}
"""Mean monthly rain by region, mm; the first seven by reach of the main stem (recalibrated)."""

_POINTS = (
    (33.5, 95.0, "chiang_saen", 0.5), (31.5, 97.0, "chiang_saen", 0.6),
    (29.0, 98.6, "chiang_saen", 0.75), (27.0, 99.2, "chiang_saen", 0.95),
    (25.0, 99.6, "chiang_saen", 1.15), (23.2, 100.5, "chiang_saen", 1.4),
    (21.5, 100.6, "chiang_saen", 1.6), (19.7, 99.9, "luang_prabang", 1.0),
    (21.3, 102.2, "luang_prabang", 1.0), (19.6, 101.6, "vientiane", 0.95),
    (18.2, 101.6, "vientiane", 0.9), (17.8, 102.7, "nakhon_phanom", 0.75),
    (18.8, 103.0, "nakhon_phanom", 1.1), (17.9, 104.8, "nakhon_phanom", 1.2),
    (17.6, 103.7, "nakhon_phanom", 0.8), (16.9, 104.9, "mukdahan", 1.0),
    (16.5, 105.8, "pakse", 1.3), (16.3, 102.6, "pakse", 0.85),
    (15.0, 103.2, "pakse", 0.9), (15.2, 105.5, "pakse", 1.4),
    (15.1, 106.9, "kratie", 1.15), (14.0, 107.5, "kratie", 1.0),
    (12.8, 107.6, "kratie", 0.9), (13.7, 106.2, "kratie", 0.95),
    (12.6, 106.2, "kratie", 0.9), (12.0, 105.4, "lower", 0.95),
    (13.0, 103.6, "lower", 0.9), (11.5, 104.9, "lower", 0.9), (10.2, 105.6, "lower", 1.0),
    (10.9, 107.0, "lower", 1.2), (8.0, 104.5, "lower", 1.4), (16.0, 108.2, "annam", 1.0),
    (13.0, 109.2, "annam", 0.75), (18.3, 106.2, "annam", 0.9), (21.0, 105.9, "tonkin", 1.0),
    (23.5, 107.0, "tonkin", 0.85), (20.0, 108.5, "tonkin", 0.9), (13.8, 100.5, "chao_phraya", 1.0),
    (16.5, 100.2, "chao_phraya", 0.85), (18.5, 98.8, "chao_phraya", 0.8),
    (8.0, 98.4, "tenasserim", 1.0), (12.0, 99.0, "tenasserim", 0.7),
    (22.0, 96.0, "dry_zone", 1.0), (19.8, 96.2, "dry_zone", 1.5),
    (16.8, 96.1, "ayeyarwady_delta", 1.0),
    (20.5, 93.5, "ayeyarwady_delta", 1.3), (25.5, 97.3, "yunnan_sichuan", 1.7),
    (25.0, 102.7, "yunnan_sichuan", 1.0), (30.0, 103.5, "yunnan_sichuan", 1.1),
    (33.0, 101.0, "yunnan_sichuan", 0.65), (26.0, 107.0, "yunnan_sichuan", 1.15),
    (32.0, 107.5, "yunnan_sichuan", 0.95), (34.0, 105.0, "yunnan_sichuan", 0.6),
    (24.5, 94.5, "yunnan_sichuan", 1.9), (28.5, 94.5, "yunnan_sichuan", 1.8),
)  # fmt: skip


def climatology(reaches: dict[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Mean monthly rain at the nodes, mm, shape (month, node).

    Parameters
    ----------
    reaches
        For each reach the weights of the nodes in its areal mean; the field is scaled, smoothly
        and in steps, until those means are the reach's row of ``RAIN_MM``.
    """
    away = np.stack([distance_km(la, lo) for la, lo, _, _ in _POINTS])
    weight = 1.0 / (away**2 + 60.0**2) ** 2
    weight /= weight.sum(0)
    points = np.array([np.array(RAIN_MM[region]) * factor for _, _, region, factor in _POINTS])
    field = points.T @ weight
    rows = np.stack(list(reaches.values()))
    target = np.array([RAIN_MM[reach] for reach in reaches], float).T
    share = rows / rows.max(1, keepdims=True)
    share /= np.maximum(share.sum(0), 1.0)
    for _ in range(20):
        field *= np.clip(1.0 + (target / (field @ rows.T) - 1.0) @ share, 0.5, 2.0)
    return field
