-- KEYS as in shelf-put.lua. ARGV: key, now (ms). Whether there was one in force.
local till = redis.call('ZSCORE', KEYS[2], ARGV[1])
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[3], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
return till and tonumber(till) > tonumber(ARGV[2]) and 1 or 0
