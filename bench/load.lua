-- The requests that wrk sends: another token each time, the same bytes to whoever is measured.
-- Arguments: the kind of request (bearer or refresh), a file with one token on each line, and how
-- many threads share it.

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

local function exchange_refresh_tokens(tokens)
  local first, last = 1, #tokens
  local headers = { ["Content-Type"] = "application/json" }
  request = function()
    local token = tokens[first]
    tokens[first] = nil
    first = first + 1
    return wrk.format("POST", nil, headers, '{"refresh_token": "' .. token .. '"}')
  end
  response = function(status, _, body)
    local child = body:match('"refresh_token":%s*"([^"]+)"')
    if not child then error("a refresh was answered " .. status .. ": " .. body) end
    last = last + 1
    tokens[last] = child
  end
end

function init(arguments)
  local tokens = lines_of_mine(arguments[2], tonumber(arguments[3]))
  if arguments[1] == "refresh" then
    exchange_refresh_tokens(tokens)
  else
    send_bearers(tokens)
  end
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
