-- A page of request.get.size bytes in lines of 64.
response.header("Content-Type", "text/plain")
local size = tonumber(request.get.size)
local line = string.rep("0123456789abcde", 4) .. "xyz\n"
while size > 0 do
    response.write(line:sub(1, size))
    size = size - #line
end
