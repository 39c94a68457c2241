-- A small page: a table of 100 rows, and JSON of 50 objects. page.php does the same.
local format, write, text = string.format, response.write, response.text
local title = html.escape(request.get.title or "Items")
response.header("Content-Type", "text/html; charset=utf-8")
write("<!DOCTYPE html><html><head><title>", title, "</title></head><body><h1>", title,
    "</h1><table>\n")
for number = 1, 100 do
    write("<tr><td>", number, "</td><td>")
    text("Item <", number, ">")
    write("</td><td>", format("%.2f", number * 1.25), "</td></tr>\n")
end

local objects = {}
for number = 1, 50 do
    objects[number] = { id = number, name = "Item " .. number, price = number * 1.25 }
end
write("</table><script>const items=", json.encode(objects), "</script></body></html>\n")
