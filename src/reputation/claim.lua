-- True for the first. KEYS[1]: the claim, its value the time of its end. ARGV: now, for how long (ms).
local now, span = tonumber(ARGV[1]), tonumber(ARGV[2])
local held = redis.call('GET', KEYS[1])
if held and tonumber(held) > now then return 0 end
redis.call('SET', KEYS[1], string.format('%d', now + span), 'PX', span)
return 1
