-- wrk's side of the benchmark. Arguments: the request body's file for a POST, nothing for a GET. Prints one JSON line.
function init(args)
  if args[1] then
    local file = assert(io.open(args[1], "rb"))
    wrk.method, wrk.body = "POST", file:read("*a")
    wrk.headers["Content-Type"] = "application/json"
    file:close()
  end
end

function done(summary, latency, requests)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  print(string.format('{"requests":%d,"seconds":%.6f,"p50_us":%d,"p99_us":%d,"failed":%d}', summary.requests,
    summary.duration / 1e6, latency:percentile(50), latency:percentile(99), failed))
end
