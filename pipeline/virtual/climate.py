"""The rain climate of the virtual Mekong: monthly means by region, spread over the lattice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.virtual.lattice import BASIN, Lattice

RAIN_MM: dict[str, tuple[float, ...]] = {
    "chiang_saen": (10.5, 14.2, 29.5, 48, 83.5, 133.2, 172.9, 197.5, 82.9, 76.6, 29.5, 14.5),
    "luang_prabang": (15.1, 18.9, 41.7, 100.2, 141.2, 215.6, 270.9, 361.2, 169.8, 96.5, 47.1, 17.7),
    "vientiane": (9.5, 16.8, 47.9, 82.2, 190, 253.9, 222.3, 358.5, 175.3, 115.2, 24.5, 7.9),
    "nakhon_phanom": (7.2, 15.7, 41.6, 100.3, 278.4, 454.2, 429.3, 500.6, 318.4, 130.5, 16.5, 6),
    "mukdahan": (4.3, 15.6, 36.3, 84.1, 223.6, 404.6, 299.1, 459.1, 229.9, 94.6, 15.3, 4),
    "pakse": (5.3, 16.3, 44.8, 72, 139.2, 240.8, 173.8, 325.7, 150.9, 143.4, 23.4, 4),
    "kratie": (4.2, 10.8, 39.8, 100.2, 175.4, 318.2, 331.6, 538, 209.8, 168.8, 63.6, 16.9),
    "lower": (7.9, 6.6, 26.5, 77.5, 160.6, 180.4, 195.4, 211.2, 249.7, 236.2, 107.6, 29.3),
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


RAIN_BEYOND_MM: dict[str, tuple[float, ...]] = {
    "malaya": (230, 110, 180, 190, 180, 140, 150, 160, 180, 210, 270, 300),
    "sarawak": (640, 500, 330, 280, 260, 230, 200, 230, 270, 330, 350, 470),
    "sabah": (180, 100, 90, 130, 220, 290, 270, 260, 300, 330, 310, 260),
    "java": (350, 290, 210, 140, 105, 75, 60, 45, 60, 105, 150, 220),
    "sulawesi": (620, 490, 380, 210, 115, 75, 45, 20, 35, 85, 240, 540),
    "luzon": (20, 12, 17, 25, 130, 270, 420, 450, 360, 220, 130, 70),
    "visayas": (110, 75, 60, 60, 105, 170, 185, 155, 175, 190, 170, 140),
    "mindanao": (120, 100, 100, 140, 200, 190, 170, 170, 170, 170, 140, 120),
    "pearl": (40, 70, 90, 180, 290, 310, 240, 240, 180, 70, 40, 35),
    "yangtze": (55, 65, 100, 110, 120, 190, 160, 150, 110, 60, 55, 40),
}
"""Mean monthly rain of regions beyond the basin's box, mm: round figures from memory."""

_POINTS_BEYOND = (
    (1.5, 103.7, "malaya", 1.0), (3.1, 101.7, "malaya", 1.1), (4.5, 98.0, "malaya", 0.9),
    (-2.0, 103.5, "malaya", 1.1), (1.5, 110.3, "sarawak", 1.0), (-1.0, 113.5, "sarawak", 0.75),
    (5.5, 115.5, "sabah", 1.0), (1.0, 118.0, "sabah", 0.8), (-6.3, 106.8, "java", 1.0),
    (-7.5, 110.5, "java", 1.1), (-8.2, 114.4, "java", 0.75), (-9.0, 121.0, "java", 0.6),
    (-5.1, 119.4, "sulawesi", 1.0), (-2.0, 122.0, "sulawesi", 0.6), (14.6, 121.0, "luzon", 1.0),
    (18.0, 121.5, "luzon", 0.8), (10.3, 123.9, "visayas", 1.0), (9.5, 118.5, "visayas", 1.0),
    (7.1, 125.6, "mindanao", 1.0), (23.0, 113.5, "pearl", 1.0), (24.0, 120.5, "pearl", 1.0),
    (19.5, 115.0, "pearl", 0.8), (31.0, 120.5, "yangtze", 1.0), (28.0, 112.5, "yangtze", 1.25),
    (34.0, 114.5, "yangtze", 0.55), (33.0, 126.0, "yangtze", 1.0),
)  # fmt: skip


def climatology(
    reaches: dict[str, NDArray[np.float64]], lattice: Lattice = BASIN
) -> NDArray[np.float64]:
    """Compute mean monthly rain at the nodes, mm, shape (month, node).

    Parameters
    ----------
    reaches
        For each reach the weights of the basin's nodes in its areal mean; the field is scaled,
        smoothly and in steps, until those means are the reach's row of ``RAIN_MM``.
    lattice
        Nodes; those of the basin get the same on every lattice.
    """
    field = _spread(RAIN_MM, _POINTS, BASIN)
    rows = np.stack(list(reaches.values()))
    target = np.array([RAIN_MM[reach] for reach in reaches], float).T
    share = rows / rows.max(1, keepdims=True)
    share /= np.maximum(share.sum(0), 1.0)
    for _ in range(20):
        field *= np.clip(1.0 + (target / (field @ rows.T) - 1.0) @ share, 0.5, 2.0)
    if lattice == BASIN:
        return field
    wider_field = _spread(RAIN_MM | RAIN_BEYOND_MM, (*_POINTS, *_POINTS_BEYOND), lattice)
    wider_field[:, lattice.inside] = field
    return wider_field


def _spread(
    rain_mm: dict[str, tuple[float, ...]],
    points: tuple[tuple[float, float, str, float], ...],
    lattice: Lattice,
) -> NDArray[np.float64]:
    """Spread points of known climate over the nodes by inverse distance, shape (month, node)."""
    away = np.stack([lattice.distance_km(la, lo) for la, lo, _, _ in points])
    weight = 1.0 / (away**2 + 60.0**2) ** 2
    weight /= weight.sum(0)
    known = np.array([np.array(rain_mm[region]) * factor for _, _, region, factor in points])
    monthly: NDArray[np.float64] = known.T @ weight
    return monthly
