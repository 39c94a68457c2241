-- What page.lua writes, by way of tables and formats: more work for the interpreter than for the
-- server. tables.php does the same.
local rows = {}
for number = 1, 100 do
    rows[number] = { id = number, name = "Item " .. number, price = number * 1.25,
        tags = { "a" .. number % 7, "b" .. number % 5 } }
end

response.header("Content-Type", "text/html; charset=utf-8")
response.write("<!DOCTYPE html><html><body><h1>", html.escape(request.get.title or "Items"),
    "</h1><table>\n")
local lines = {}
for number, row in ipairs(rows) do
    lines[number] = string.format("<tr><td>%d</td><td>%s</td><td>%.2f</td><td>%s</td></tr>\n",
        row.id, html.escape(row.name), row.price, html.escape(table.concat(row.tags, ", ")))
end
response.write(table.concat(lines), "</table><script>const items=")

local objects = {}
for number = 1, 50 do
    objects[number] = rows[number]
end
response.write(json.encode(objects), "</script></body></html>\n")
