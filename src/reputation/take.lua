-- A leaky bucket, the same as memory-rate-counters.ts. KEYS[1]: "level at over". ARGV: now (ms), amount,
-- capacity, what drains an hour.
local now, amount, capacity, perHour = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local level, at, over = string.match(redis.call('GET', KEYS[1]) or '', '^(%S+) (%S+) ([01])$')
level, at, over = tonumber(level) or 0, tonumber(at) or now, over == '1'
-- A node whose clock is behind drains nothing, and one that is ahead does not do it twice.
now = math.max(now, at)
level = math.max(0, level - ((now - at) / 3600000) * perHour)
over = over and level > capacity / 2
local taken = amount == 0 or level + amount <= capacity
local begins = not taken and not over
local after = taken and level + amount or level
over = over or not taken
if after == 0 then
  redis.call('DEL', KEYS[1])
else
  local drained = perHour > 0 and after / perHour * 3600000 or 86400000
  local life = math.ceil(math.min(drained + 1000, 2592000000))
  local value = string.format('%.17g %.17g %d', after, now, over and 1 or 0)
  redis.call('SET', KEYS[1], value, 'PX', life)
end
return { taken and 1 or 0, string.format('%.17g', level), begins and 1 or 0 }
