"""Fuzz one driver with atheris (libFuzzer), led by which lines of `drivers` an input reaches.

    python tests/fuzz/fuzz_driver.py DRIVER CORPUS [--trusting] [libFuzzer options]

The folder CORPUS is made if need be and filled with the driver's captures, its vectors and the inputs that are kept
in tests/fuzz/inputs. What breaks a rule is written as `crash-…`; run the program with that file in place of CORPUS to
see it again. `--trusting` makes every check value 0: what lies behind the checks is reached, which no fuzzer guesses.
See README.md here.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import atheris

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "drivers")]

with atheris.instrument_imports(include=["drivers"]):
    from drivers import checksums

    if "--trusting" in sys.argv:
        sys.argv.remove("--trusting")
        for check in ("xor", "sum8", "sum8_complement", "crc16"):
            setattr(checksums, check, lambda *_: 0)  # before anybody imports it
    from fuzz_checks import Target, target
    from test_vectors import FAMILIES, STREAMS


def vectors_of(name: str) -> list[bytes]:
    """The streams of the shared vectors that are this driver's."""
    return [bytes.fromhex(vector["hex"]) for vector in STREAMS if FAMILIES[vector["protocol"]][0] == name]


def fill(folder: Path, on_trial: Target) -> None:
    """Write the corpus to begin with."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = [path.read_bytes() for path in sorted((HERE / "inputs" / on_trial.spec.name).glob("*"))]
    for data in [*on_trial.seeds(vectors_of(on_trial.spec.name)), *kept]:
        (folder / hashlib.sha1(data).hexdigest()).write_bytes(data)


def main() -> None:
    if len(sys.argv) < 3:
        sys.exit(str(__doc__))
    program, name, corpus, *options = sys.argv
    with atheris.instrument_imports(include=["drivers"]):
        on_trial = target(name)
    if not Path(corpus).is_file():
        fill(Path(corpus), on_trial)
    atheris.Setup([program, corpus, "-max_len=4096", *options], on_trial.examine)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
