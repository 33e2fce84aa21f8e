-- Load for wrk in which every call is new: ids, paths that no profile knows, callers, correlation ids, bodies.
local function word() return string.format("%08x", math.random(0, 0x7fffffff)) end

function init() math.randomseed(os.time()) end

function request()
  local id, chance = math.random(1, 2000000000), math.random(100)
  local headers = {
    ["Host"] = wrk.headers["Host"],
    ["X-Correlation-ID"] = "call-" .. word() .. word(),
    -- Mostly callers that come again; one in a hundred was never seen.
    ["Authorization"] = "Token token=" .. (chance == 1 and word() or "caller-" .. chance),
  }
  if chance <= 50 then return wrk.format("GET", "/api/contacts/" .. id, headers) end
  if chance <= 60 then return wrk.format("GET", "/api/lookup?q=" .. word() .. "@example.com&f=email", headers) end
  if chance <= 70 then return wrk.format("GET", "/" .. word() .. "/" .. word() .. "/" .. id, headers) end
  headers["Content-Type"] = "application/json"
  local body = string.format('{"contact":{"email":"%s@example.com","%s":"%s","id":%d}}', word(), word(), word(), id)
  if chance <= 80 then return wrk.format("PUT", "/api/contacts/" .. id, headers, body) end
  return wrk.format("POST", "/api/contacts", headers, body)
end
