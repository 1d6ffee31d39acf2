# SPDX-License-Identifier: Apache-2.0
"""Cells in whose code no instruction compares the index with the limit, found by reading the code: {cell: {(configurations): what is
there instead}}. They may be unknown without spoiling the rate; a claim about one must be right all the same."""

NO_COMPARE = {}
