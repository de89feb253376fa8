"""Writes tests/flow/golden/torchdiffeq.json: ends of solves by torchdiffeq.

    python tests/twins/torchdiffeq_solves.py

Needs torch and torchdiffeq; written with torch 2.13.0 and torchdiffeq 0.2.5.
"""

import json
import pathlib

GOLDEN = pathlib.Path(__file__).parents[1] / "flow" / "golden" / "torchdiffeq.json"
START, STEPS, END = (1.2, 0.7), 12, 3.0
FIXED = ("euler", "midpoint", "heun2", "rk4")
ADAPTIVE = ("bosh3", "dopri5", "dopri8")


def velocity(t, x, sin):
    """Hare and lynx, and a season; for any kind of array."""
    hare, lynx = x
    return hare * (1.1 - 0.8 * lynx) + 0.1 * sin(3 * t), lynx * (0.8 * hare - 1.1)


def solve(method: str) -> list[float]:
    """End of a solve in float64: so many equal steps, or tolerances of 1e-7."""
    import torch
    import torchdiffeq

    def field(t, x):
        return torch.stack(velocity(t, x, torch.sin))

    times = torch.tensor([0.0, END], dtype=torch.float64)
    start = torch.tensor(START, dtype=torch.float64)
    how = {"options": {"step_size": END / STEPS}} if method in FIXED else {}
    ends = torchdiffeq.odeint(field, start, times, method=method, rtol=1e-7, atol=1e-7, **how)
    return ends[-1].tolist()


if __name__ == "__main__":
    ends = {method: solve(method) for method in (*FIXED, *ADAPTIVE)}
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(json.dumps(ends, indent=2) + "\n")
