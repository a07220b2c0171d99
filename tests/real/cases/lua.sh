# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2034,SC2154 # settings for the driver, variables from it
# lua: tables, strings, coroutines, and the collector in its two modes.
weight=light
packages=lua5.4
programs=/usr/bin/lua5.4

job() {
    cat >program.lua <<'END'
local state = 11
local function random(n) state = state * 16807 % 2147483647; return state % n end
for _, mode in ipairs { "incremental", "generational" } do
    collectgarbage(mode)
    local words, keep = {}, {}
    for i = 1, 300000 do
        local key = "w" .. random(30000)
        words[key] = (words[key] or 0) + 1
        keep[i % 5000 + 1] = { key, i, { i } }
    end
    local n, total = 0, 0
    for _, count in pairs(words) do n = n + 1; total = total + count end
    local list = {}
    for key in pairs(words) do list[#list + 1] = key end
    table.sort(list)
    local text = table.concat(list, " ")
    local changed, hits = text:gsub("w(%d)(%d*)", "%2%1")
    print(mode, n, total, #text, hits, changed:sub(1000, 1040), keep[77][1])
    local makers = {}
    for i = 1, 2000 do
        makers[i] = coroutine.wrap(function() for j = 1, 10 do coroutine.yield(("x"):rep(i % 70) .. j) end end)
    end
    local length = 0
    for _ = 1, 10 do for i = 1, 2000 do length = length + #makers[i]() end end
    print(length, ("%q"):format(string.pack("<i4s2", 7, "packed")))
    words, keep, list, makers = nil, nil, nil, nil
    collectgarbage()
end
local function deep(n) return n == 0 and 0 or 1 + deep(n - 1) end
print(deep(10000), pcall(string.rep, "x", 1 << 60))
os.exit(5, true)
END
    lua5.4 program.lua 2>&1 || echo "status $?"
}
