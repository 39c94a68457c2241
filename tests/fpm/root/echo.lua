-- What arrived: with ?echo the body as it is, else method, variables and the body's size as text.
-- All of the body is read first: nginx sends no more of it once the answer has begun.
response.header("Content-Type", "text/plain")
if request.get.echo then
    response.write(request.body())
    return
end
local size = 0
for piece in request.read do size = size + #piece end
local names = {}
for name in pairs(request.get) do names[#names + 1] = name end
table.sort(names)
print("method " .. request.method)
for _, name in ipairs(names) do print("get " .. name .. "=" .. request.get[name]) end
print("body " .. size)
