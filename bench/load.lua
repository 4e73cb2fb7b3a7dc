-- The requests that wrk sends: another token each time, the same bytes to whoever is measured.
-- Arguments: the kind of request (bearer or refresh), a file with one token on each line, how many
-- threads share it, and the milliseconds that a connection rests between two requests, on average.

local threads = 0

function setup(thread)
  thread:set("number", threads)
  threads = threads + 1
end

local function lines_of_mine(path, sharing)
  local mine, line_number = {}, 0
  for line in io.lines(path) do
    if line_number % sharing == number then mine[#mine + 1] = line end
    line_number = line_number + 1
  end
  return mine
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

-- As a proxy would: from another address, so that no limit is reached, of the network where all
-- sessions began: one that goes on from elsewhere would be weighed.
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
    if not child then error("a refresh was answered " .. status .. ": " .. body) end
    last = last + 1
    tokens[last] = child
  end
end

-- Rests of random lengths, so that connections which rest for whole milliseconds do not march.
local function pace(rest)
  delay = function() return math.floor(2 * rest * math.random() + 0.5) end
end

function init(arguments)
  math.randomseed(os.time() + number)
  local tokens = lines_of_mine(arguments[2], tonumber(arguments[3]))
  if arguments[1] == "refresh" then
    exchange_refresh_tokens(tokens)
  else
    send_bearers(tokens)
  end
  local rest = tonumber(arguments[4])
  if rest > 0 then pace(rest) end
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
