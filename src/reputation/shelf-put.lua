-- KEYS: entries (hash of JSON), their ends (sorted set), their hits (hash). ARGV: key, entry, end, now
-- (ms), how many are kept. All three keys end with the last entry.
local key, entry, till, now, most = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local function drop(keys)
  for _, one in ipairs(keys) do
    redis.call('HDEL', KEYS[1], one)
    redis.call('HDEL', KEYS[3], one)
    redis.call('ZREM', KEYS[2], one)
  end
end
-- In bites: after an attack there may be thousands, and Redis serves nobody meanwhile.
drop(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, 500))
redis.call('HSET', KEYS[1], key, entry)
redis.call('ZADD', KEYS[2], till, key)
local over = redis.call('ZCARD', KEYS[2]) - most
if over > 0 then drop(redis.call('ZRANGE', KEYS[2], 0, over - 1)) end
local last = redis.call('ZRANGE', KEYS[2], -1, -1, 'WITHSCORES')
for i = 1, 3 do redis.call('PEXPIRE', KEYS[i], math.max(1, tonumber(last[2] or till) - now)) end
return 1
