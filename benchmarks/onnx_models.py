"""ONNX against our own predictions, on every table of a folder: the largest difference, and the time of both.

    python benchmarks/onnx_models.py [--folder ../shared/data] [--tables adult,har] [--epochs 3] [--json FILE]

Every table is fitted for a few epochs, exported with its preprocessing, and run by ONNX Runtime from raw columns, on
rows that were not trained on. Differences of probabilities are absolute; those of numbers are over the standard
deviation of the target. The goal is 1e-5.
"""

import argparse
import json
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
from rich.console import Console
from rich.table import Table

from trivium import NeuralClassifier, NeuralRegressor
from trivium.export.model import onnx_inputs, to_onnx

GOAL = 1e-5


def compared(path: Path, target: str, task: str, rows: int, epochs: int) -> dict[str, Any]:
    """One table's line."""
    frame = pd.read_parquet(path)
    frame = frame.sample(min(len(frame), rows), random_state=0).reset_index(drop=True)
    frame = frame[frame[target].notna()]
    y, X = frame.pop(target), frame
    n = int(len(X) * 0.8)
    classes = "class" in task or task in ("binary", "multiclass")
    kind = NeuralClassifier if classes else NeuralRegressor
    model = kind((64, 64), epochs=epochs, random_state=0, on_problem="ignore").fit(X[:n], y[:n])
    texts = [column.name for column in model.schema_.columns if column.kind == "text"]
    exported = to_onnx(model, texts_encoded=bool(texts))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(exported.SerializeToString(), options, providers=["CPUExecutionProvider"])
    later = X[n:]
    inputs = onnx_inputs(model, later)
    theirs: Any = session.run(None, inputs)
    began = time.perf_counter()
    theirs = session.run(None, inputs)
    seconds = time.perf_counter() - began
    ours = model.predict_proba(later) if classes else model.predict(later)
    began = time.perf_counter()
    labels = model.predict(later)
    own_seconds = time.perf_counter() - began
    scale = 1.0 if classes else float(np.std(y.astype(float)))
    return {
        "table": path.stem,
        "task": "classes" if classes else "numbers",
        "columns": len(model.schema_.columns),
        "inputs": len(model.schema_.feature_names_out),
        "rows": len(later),
        "difference": float(np.abs(np.asarray(theirs[-1], float) - ours).max() / scale),
        "other labels": int((theirs[0] != labels).sum()) if classes else None,
        "nodes": len(exported.graph.node),
        "onnx_ms": seconds * 1e3,
        "own_ms": own_seconds * 1e3,
        "texts": texts,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--tables", help="names between commas; all of the folder's index where it is left out")
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    index = pd.read_csv(given.folder / "index.csv")
    lines = []
    wanted = given.tables.split(",") if given.tables else list(index["name"])
    for entry in index[index["name"].isin(wanted)].itertuples():
        name = str(entry.name)
        lines.append(compared(given.folder / f"{name}.parquet", entry.target, entry.task, given.rows, given.epochs))
        print(json.dumps(lines[-1]), flush=True)
    table = Table(
        "table", "task", "columns", "inputs", "rows", "largest difference", "other labels", "nodes", "ONNX ms", "own ms"
    )
    for line in lines:
        cells = [line[name] for name in ("table", "task", "columns", "inputs", "rows", "difference")]
        cells += [line["other labels"], line["nodes"], line["onnx_ms"], line["own_ms"]]
        table.add_row(
            *(f"{cell:.2g}" if isinstance(cell, float) else "" if cell is None else str(cell) for cell in cells)
        )
    Console(width=140).print(table)
    worst = max(line["difference"] for line in lines)
    print(f"largest difference {worst:.2g}, goal {GOAL:g}: {'met' if worst <= GOAL else 'missed'}")
    if given.json is not None:
        given.json.write_text(json.dumps(lines, indent=1))


if __name__ == "__main__":
    main()
