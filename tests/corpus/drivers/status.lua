-- SPDX-License-Identifier: Apache-2.0
-- The last of the states that a coroutine may be in.
local thread = coroutine.create(function() end)
coroutine.resume(thread)
print(coroutine.status(thread))
