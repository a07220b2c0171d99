-- SPDX-License-Identifier: MIT
-- Tables of strings and small tables, replaced all the time, in the collector's two modes.
local state = 11
local function random(n)
    state = state * 16807 % 2147483647
    return state % n
end
local sum = 0
for turn = 1, tonumber(arg[1]) do
    collectgarbage(turn % 2 == 0 and "incremental" or "generational")
    local words, keep = {}, {}
    for i = 1, 250000 do
        local key = "w" .. random(30000)
        words[key] = (words[key] or 0) + 1
        keep[i % 20000 + 1] = { key, i, { i, key .. i } }
    end
    local list = {}
    for key, count in pairs(words) do list[#list + 1] = key .. ":" .. count end
    table.sort(list)
    local text = table.concat(list, " ")
    local changed, hits = text:gsub("w(%d)(%d*)", "%2%1")
    for i = 1, #changed, 97 do sum = (sum * 31 + changed:byte(i)) % 1000000007 end
    sum = (sum + hits + keep[77][2] + #keep[78][3][2]) % 1000000007
end
print(sum)
