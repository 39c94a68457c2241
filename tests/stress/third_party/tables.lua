-- tables: strings and tables of many sizes, built, shuffled, thrown away and collected; by a
-- generator of its own, so that every run prints the same.
local scale = tonumber(arg[1]) or 1
local state = 20240607
local function below(count)
    state = (state * 1103515245 + 12345) % 2147483648
    return state // 65536 % count
end

local function tree(depth)
    if depth == 0 then
        return { name = ("leaf"):rep(below(20)), value = below(1000) }
    end
    local node = { value = depth }
    for index = 1, 1 + below(4) do
        node[index] = tree(depth - 1)
    end
    return node
end

local function sum(node)
    local total = node.value + #(node.name or "")
    for _, child in ipairs(node) do
        total = (total + sum(child)) % 1000003
    end
    return total
end

local kept, checks = {}, 0
for round = 1, 300 * scale do
    kept[1 + below(40)] = tree(1 + below(6))
    local words = {}
    for index = 1, 200 do
        words[index] = ("word"):rep(below(60)) .. below(100000)
    end
    table.sort(words)
    local text = table.concat(words, " ")
    checks = (checks + #text + #text:gsub("%d+", ""):upper()) % 1000003
    local matches = 0
    for _ in text:gmatch("word%d") do matches = matches + 1 end
    if round % 50 == 0 then
        collectgarbage()
        local total = 0
        for index = 1, 40 do
            total = total + (kept[index] and sum(kept[index]) or 0)
        end
        print(round, total, checks, matches)
    end
end

-- One string that grows by doubling, and generators that each hold a stack.
local text = "x"
for _ = 1, 22 do text = text .. text end
print(#text)
local threads = {}
for index = 1, 500 * scale do
    threads[index] = coroutine.wrap(function()
        local mine = {}
        for step = 1, 20 do mine[step] = ("y"):rep(step * 7); coroutine.yield(#mine[step]) end
    end)
end
local yielded = 0
for _ = 1, 20 do
    for _, step in ipairs(threads) do yielded = yielded + step() end
end
print(yielded)
