-- SPDX-License-Identifier: Apache-2.0
-- The last of the collector's options: the one that a table indexed from 1 looks for behind its end.
collectgarbage("setstepmul", 300)
print(collectgarbage("setstepmul", 200))
