-- One lesson for one subject. KEYS[1]: its record (redis-record.ts says how it lies there).
-- ARGV: now, half-life, life of a record, life of a HELO name (all ms), HELO names kept, number of
-- counters, a gain for each, then HELO names, the latest last.
local now = math.floor(tonumber(ARGV[1]) / 1000)
local half, life, heloLife = tonumber(ARGV[2]) / 1000, tonumber(ARGV[3]) / 1000, tonumber(ARGV[4]) / 1000
local heloMost, counters = tonumber(ARGV[5]), tonumber(ARGV[6])
local first, last, counts, helos = now, now, {}, {}

local stored = redis.call('GET', KEYS[1])
local known = false
if stored and string.byte(stored, 1) == 1 then
  local _, n, seenFirst, seenLast, at = struct.unpack('<BBI4I4', stored)
  if now - seenLast < life then
    known = true
    -- A node whose clock is behind must not make counters grow.
    first, last = seenFirst, math.max(now, seenLast)
    local factor = 0.5 ^ ((last - seenLast) / half)
    for i = 1, n do
      counts[i], at = struct.unpack('<f', stored, at)
      counts[i] = counts[i] * factor
    end
    while at <= #stored do
      local seen, name
      seen, name, at = struct.unpack('<I4Bc0', stored, at)
      helos[#helos + 1] = { seen, name }
    end
  end
end

local gains = #ARGV > 6 + counters
for i = 1, counters do
  local gain = tonumber(ARGV[6 + i])
  gains = gains or gain > 0
  counts[i] = math.max(0, (counts[i] or 0) + gain)
end
if not known and not gains then return 0 end

for i = 7 + counters, #ARGV do
  local kept = { { last, ARGV[i] } }
  for _, helo in ipairs(helos) do
    if helo[2] ~= ARGV[i] and last - helo[1] < heloLife and #kept < heloMost then
      kept[#kept + 1] = helo
    end
  end
  helos = kept
end

local parts = { struct.pack('<BBI4I4', 1, #counts, first, last) }
for i = 1, #counts do parts[#parts + 1] = struct.pack('<f', counts[i]) end
for _, helo in ipairs(helos) do
  parts[#parts + 1] = struct.pack('<I4B', helo[1], #helo[2]) .. helo[2]
end
redis.call('SET', KEYS[1], table.concat(parts), 'PX', math.floor((last - now + life) * 1000))
return 1
