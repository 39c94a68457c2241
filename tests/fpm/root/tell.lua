-- What the variables ask for: status=N, header=NAME, count=PREFIX of headers, pieces=N sent one by
-- one, post: the form's variables, path: the part of the URI behind the script.
response.header("Content-Type", "text/plain")
local get = request.get
if get.status then
    response.status(tonumber(get.status))
    print("status " .. get.status)
end
if get.header then print(get.header .. "=" .. tostring(request.header(get.header))) end
if get.count then
    local count = 0
    for name in pairs(request.headers()) do
        if name:lower():find(get.count, 1, true) == 1 then count = count + 1 end
    end
    print(get.count .. " " .. count)
end
for piece = 1, tonumber(get.pieces or 0) do
    response.write(("piece %03d"):format(piece), ("."):rep(991))
    response.flush()
end
if get.post then
    local names = {}
    for name in pairs(request.post) do names[#names + 1] = name end
    table.sort(names)
    for _, name in ipairs(names) do print("post " .. name .. "=" .. request.post[name]) end
end
if get.path then print("path " .. tostring(request.path_info)) end
