"""Train on simulated candidates with a file of settings, and keep the result beside it.

    python notebooks/training/sample_run.py notebooks/training/config/run_1.toml
"""

import json
import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

PAIRS, SEED = 4, 1


def main(config: Path) -> None:
    """Make a home with one dataset, train, and write `config` with the ending .json."""
    settings = tomllib.loads(config.read_text())["training"]
    with tempfile.TemporaryDirectory() as home:
        os.environ["ASTRID_HOME"] = home
        # The addresses are read from the environment.
        from astrid_assets import api

        candidates = api.simulate_candidates(Path(home) / "candidates.parquet", pairs=PAIRS, seed=SEED)
        astrid = Path(sys.executable).with_name("astrid")
        subprocess.run([astrid, "alerts", "import", candidates, "--survey", "pairs"], check=True)
        data = api.load_training_dataset(collection_params={"name": "simulated"})
        trained = api.train_network(settings)
        result = {
            "settings": settings,
            "candidates": {"pairs": PAIRS, "seed": SEED},
            "samples": {name: len(side) for name, side in zip(("train", "val", "test"), data)},
            "history": trained.history,
            "metrics": trained.evaluation.flat(),
        }
    config.with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
