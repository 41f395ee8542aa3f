"""Fuzzing guided by coverage, with atheris: bytes that reach new lines of the product are changed further.

    python Testing/Fuzzing/guided.py rtstruct --seconds 600

It begins with the sound files of `targets` and ends at the first finding, whose bytes libFuzzer writes as crash-*.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
for folder in ("ParotidSeg", "ParotidSegTraining", "Testing/Shared", "Testing/Fuzzing"):
    sys.path.insert(0, str(HERE.parents[1] / folder))


def main() -> None:
    options = _parsed()
    if options.list:
        from targets import TARGETS

        print("\n".join(TARGETS))
        return
    import atheris

    with atheris.instrument_imports(include=["ParotidSegLib", "ParotidSegTrainingLib", "pydicom"]):
        from targets import TARGETS

        from ParotidSegLib.errors import ParotidSegError
    target = TARGETS[options.format]
    with tempfile.TemporaryDirectory() as name:
        made, sound = Path(name) / "made", Path(name) / "sound"
        made.mkdir()
        sound.mkdir()
        for number, raw in enumerate(target.corpus(made)):
            (sound / str(number)).write_bytes(raw)
        path = Path(name) / f"input{target.suffix}"

        def one(raw: bytes) -> None:
            path.write_bytes(target.pack(raw))
            try:
                target.way(path, made)
            except ParotidSegError:
                return

        limits = [f"-runs={options.runs}", f"-max_total_time={options.seconds}", "-timeout=60", "-rss_limit_mb=12288"]
        atheris.Setup([sys.argv[0], *limits, str(sound)], one)
        atheris.Fuzz()


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("format", nargs="?", help="one of those that --list names")
    parser.add_argument("--list", action="store_true", help="name the formats")
    parser.add_argument("--seconds", type=int, default=0, help="how long (default: until something is found)")
    parser.add_argument("--runs", type=int, default=-1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
