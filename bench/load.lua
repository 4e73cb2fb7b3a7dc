-- Requests of wrk: each with another token, and otherwise the same bytes for every server.
-- Arguments: the kind of request (bearer or refresh), a file with one token per line, the number of
-- threads that share it, and the average pause of a connection between requests, in milliseconds.

local threads = 0

function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

local function read_own_lines(path, sharing)
  local own, line_number = {}, 0
  for line in io.lines(path) do
    if line_number % sharing == number then own[#own + 1] = line end
    line_number = line_number + 1
  end
  return own
end

local function send_bearers(tokens)
  local ready, following = {}, 0
  for i, token in ipairs(tokens) do
    ready[i] = wrk.format("GET", nil, { Authorization = "Bearer " .. token })
  end
  request = function()
    following = following % #ready + 1
    return ready[following]
  end
end

-- Another client IP address for each request, so that no limit is reached, but in the network where
-- all sessions began: the risk of a session that moves would be assessed again.
local function forwarded_for()
  return string.format("10.0.0.%d", math.random(1, 254))
end

local function exchange_refresh_tokens(tokens)
  local first, last = 1, #tokens
  local headers = { ["Content-Type"] = "application/json" }
  request = function()
    local token = tokens[first]
    tokens[first] = nil
    first = first + 1
    headers["X-Forwarded-For"] = forwarded_for()
    return wrk.format("POST", nil, headers, '{"refresh_token": "' .. token .. '"}')
  end
  response = function(status, _, body)
    local child = body:match('"refresh_token":%s*"([^"]+)"')
    if not child then error("a refresh returned " .. status .. ": " .. body) end
    last = last + 1
    tokens[last] = child
  end
end

-- Random pauses, so that connections which pause for whole milliseconds do not synchronize.
local function set_pause(average)
  delay = function() return math.floor(2 * average * math.random() + 0.5) end
end

function init(arguments)
  math.randomseed(os.time() + number)
  local tokens = read_own_lines(arguments[2], tonumber(arguments[3]))
  if arguments[1] == "refresh" then
    exchange_refresh_tokens(tokens)
  else
    send_bearers(tokens)
  end
  local average = tonumber(arguments[4])
  if average > 0 then set_pause(average) end
end

function done(summary, latency, _)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format(
    'measured {"requests": %d, "seconds": %f, "failed": %d, "p50": %f, "p99": %f}\n',
    summary.requests, summary.duration / 1e6, failed,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3
  ))
end
