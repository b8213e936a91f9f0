-- What wrk sends: the same request again and again, each time with an API key at random out of a file.
-- Arguments: the file of the keys, the length of each, the seed, and what stands before and behind a key.

local threads = 0

function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

function init(arguments)
  local file = assert(io.open(arguments[1], "rb"))
  keys = file:read("*a")
  file:close()
  width = tonumber(arguments[2])
  count = #keys / width
  math.randomseed(tonumber(arguments[3]) * 100 + number)
  head = arguments[4]
  tail = arguments[5]
end

local random, sub = math.random, string.sub

function request()
  local start = random(0, count - 1) * width
  return head .. sub(keys, start + 1, start + width) .. tail
end

function done(summary, latency)
  local failed = summary.errors
  io.write(string.format("counted %d %d %d %d\n", summary.requests, summary.duration, latency:percentile(99),
    failed.connect + failed.read + failed.write + failed.status + failed.timeout))
end
