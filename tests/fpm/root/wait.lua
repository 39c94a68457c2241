-- A page that computes for request.get.ms milliseconds.
local finish = os.clock() + tonumber(request.get.ms) / 1000
while os.clock() < finish do end
print("waited " .. request.get.ms)
