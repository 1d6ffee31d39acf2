#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reports of --report sarif against the official schema. Status 77: it cannot be had here."""

import json
import os
import subprocess
import sys
import tempfile

import jsonschema

import harness


def logs(folder):
    """(description, log) of runs that show every part of a report."""
    sites = os.path.join(os.path.dirname(harness.DRIVERS), "programs", "sites")
    for words in (["--on-bound=clamp", "--backtraces=all", "--source-root", harness.SOURCE, sites, "4"],
                  ["--on-bound=clamp", "--backtraces=none", "--source-root", folder, sites, "2"],
                  [harness.PICK, "12"],
                  ["--on-bound=terminate", harness.PICK, "-1"],
                  ["--driver", harness.DRIVERS + "/invalid_answer.so", harness.PICK, "12"],
                  ["--driver", harness.DRIVERS + "/quiet.so", "true"]):
        path = os.path.join(folder, "report.sarif")
        subprocess.run([harness.KEBOUND, "run", "--report=sarif", "-o", path, *words], stdout=subprocess.DEVNULL)
        with open(path, encoding="utf-8", errors="strict") as stream:
            yield words, json.load(stream)


def main():
    harness.parse_arguments()
    schema_path = sys.argv[1]
    fetched = subprocess.run([os.path.join(harness.SOURCE, "scripts/sarif-schema.sh"), schema_path])
    if fetched.returncode != 0:
        return fetched.returncode
    with open(schema_path) as stream:
        schema = json.load(stream)
    validator = jsonschema.Draft4Validator(schema, format_checker=jsonschema.draft4_format_checker)
    seen = 0
    with tempfile.TemporaryDirectory(prefix="kebound-sarif-") as folder:
        for words, log in logs(folder):
            errors = [f"{list(error.path)}: {error.message[:200]}" for error in validator.iter_errors(log)]
            if errors:
                print(words, *errors, sep="\n  ")
                return 1
            seen += len(log["runs"][0]["results"])
            # The schema can say no.
            broken = dict(log, version="2.0")
            assert list(validator.iter_errors(broken))
            broken = json.loads(json.dumps(log))
            broken["runs"][0]["invented"] = 1
            assert list(validator.iter_errors(broken))
    print(f"{seen} results are valid")
    return 0 if seen >= 8 else 1


sys.exit(main())
