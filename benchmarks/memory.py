"""How much memory large tables take here: `python benchmarks/memory.py`.

Each row of the table is a process of its own. It makes the data, then works; its peak is what it held at most beyond
what it held before the data came (Python, JAX and the modules), over the bytes of the data as float32. The data itself
counts, as float32 or as whatever the case says. The goal: 2.5 at most.
"""

import argparse
import json
import subprocess
import sys

CASES = {
    "float32 array": "X = random.standard_normal((n, columns), np.float32)",
    "float32 array, a tenth missing": "X = random.standard_normal((n, columns), np.float32)\n"
    "for row in X: row[random.integers(columns)] = np.nan",
    "pyarrow table": "import pyarrow as pa\n"
    "X = pa.table({f'c{i}': random.standard_normal(n, np.float32) for i in range(columns)})",
    "polars frame": "import polars as pl\n"
    "X = pl.DataFrame({f'c{i}': random.standard_normal(n, np.float32) for i in range(columns)})",
    "pandas frame": "import pandas as pd\n"
    "X = pd.DataFrame(random.standard_normal((n, columns), np.float32), columns=[f'c{i}' for i in range(columns)])",
    "sparse matrix, 1 %": "from scipy.sparse import csr_matrix, random_array\n"
    "X = random_array((n, columns), density=0.01, format='csr', dtype=np.float32, random_state=0)",
}
WORK = {
    "schema and encoding": "frame = as_frame(X)\nX = X if frame is None else frame\nE = encode(learn_schema(X), X)",
    "one epoch and predict": "y = np.asarray(random.standard_normal(n))\n"
    "model = NeuralRegressor((16,), epochs=1, batch_size=4096, patience=None).fit(X, y)\nmodel.predict(X)",
    "the same of classes": "y = (random.random(n) < 0.3).astype(int)\n"
    "model = NeuralClassifier((16,), epochs=1, batch_size=4096, patience=None).fit(X, y)\nmodel.predict(X)",
}
PROCESS = """
import time
import jax, numpy as np
from trivium import NeuralClassifier, NeuralRegressor
from trivium.tables.encode import encode
from trivium.tables.read import as_frame
from trivium.tables.schema import learn_schema
random = np.random.default_rng(0)
n, columns = {n}, {columns}
NeuralRegressor((16,), epochs=1).fit(random.standard_normal((500, 3)), random.standard_normal(500))
def held(): return 1024 * int(next(l for l in open("/proc/self/status") if l.startswith("VmRSS")).split()[1])
def peak(): return 1024 * int(next(l for l in open("/proc/self/status") if l.startswith("VmHWM")).split()[1])
before = held()
{data}
after = held()
began = time.perf_counter()
{work}
print((after - before) / (4 * n * columns), (peak() - before) / (4 * n * columns), time.perf_counter() - began)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description="How much memory large tables take here.")
    parser.add_argument("--json", metavar="FILE", help="write every figure there, too")
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows")
    parser.add_argument("--case", help="only the kinds of data whose name contains this")
    given = parser.parse_args()
    found = []
    print(f"{'table':24}{'data':34}{'work':24}{'data':>6}{'peak':>7}{'seconds':>9}   (sizes over the float32 data)")
    for n, columns in ((10_000_000, 10), (10_000, 10_000)):
        n //= 10 if given.quick else 1
        for data, make in CASES.items():
            if "missing" in data and columns > 10:
                continue
            for work, do in WORK.items():
                if (given.case or "") not in data:
                    continue
                record = {"n": n, "columns": columns, "data": data, "work": work, **measured(n, columns, make, do)}
                found.append(record)
                figures = f"{record['held']:>6.2f}{record['peak']:>7.2f}{record['seconds']:>9.1f}"
                print(f"{f'{n:,} x {columns:,}':24}{data:34}{work:24}{figures}", flush=True)
    if given.json:
        with open(given.json, "w") as file:
            json.dump(found, file, indent=2)


def measured(n: int, columns: int, make: str, do: str) -> dict[str, float]:
    program = PROCESS.format(n=n, columns=columns, data=make, work=do)
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, capture_output=True, text=True)
    held, peak, seconds = map(float, done.stdout.split())
    return {"held": held, "peak": peak, "seconds": seconds}


if __name__ == "__main__":
    main()
