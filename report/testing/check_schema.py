#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""check_schema.py SCHEMA DOCUMENT COMMAND...: every line that COMMAND prints, and every example object in
DOCUMENT, must be valid JSON and valid by SCHEMA; every kind of event must have been seen in both."""
import json
import subprocess
import sys

import jsonschema


def raw_bytes(text):
    """The bytes behind a string, by the rule in docs/protocol.md."""
    out = bytearray()
    for character in text:
        code = ord(character)
        out += bytes([code - 0xEF00]) if 0xEF80 <= code <= 0xEFFF else character.encode("utf-8")
    return bytes(out)


def main():
    schema_path, document_path, command = sys.argv[1], sys.argv[2], sys.argv[3:]
    with open(schema_path, encoding="utf-8") as file:
        schema = json.load(file)
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)
    kinds = {reference["$ref"].rsplit("/", 1)[1] for reference in schema["oneOf"]}

    output = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    assert output.endswith(b"\n") and b"\r" not in output
    printed = [json.loads(line.decode("utf-8", "strict")) for line in output.split(b"\n")[:-1]]
    with open(document_path, encoding="utf-8") as file:
        blocks = file.read().split("```json\n")[1:]
    examples = [json.loads(block.split("```", 1)[0]) for block in blocks]

    for name, objects in (("printed", printed), ("documented", examples)):
        for item in objects:
            errors = list(validator.iter_errors(item))
            assert not errors, f"{name}: {item}: {jsonschema.exceptions.best_match(errors).message}"
        seen = {item["event"] for item in objects}
        assert seen == kinds, f"{name}: kinds that differ from the schema's: {seen ^ kinds}"
    assert printed[-1]["event"] == "summary"
    assert any("stack" in item and len(item["stack"]) > 1 for item in printed)

    # The nasty text came through byte by byte: it holds every byte but NUL in order.
    texts = [raw_bytes(item["text"]) for item in printed if item["event"] == "driver-output"]
    assert any(bytes(range(1, 256)) in text for text in texts)

    # The schema can say no.
    broken = dict(printed[0], index="12")
    assert list(validator.iter_errors(broken))
    broken = dict(printed[0], disposition="ignored")
    assert list(validator.iter_errors(broken))
    return 0


sys.exit(main())
