-- SPDX-License-Identifier: Apache-2.0
-- A table that grows past 256 integer keys: its size is estimated by a table of logarithms with 256 entries.
local squares = {}
for i = 1, 700 do squares[i] = i * i end
print(#squares, squares[257], squares[700])
