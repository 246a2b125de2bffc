-- KEYS as in shelf-put.lua. ARGV: key, how many hits, now (ms). Hits lie as "count last".
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
local count = string.match(redis.call('HGET', KEYS[3], ARGV[1]) or '', '^(%d+) ') or '0'
redis.call('HSET', KEYS[3], ARGV[1], string.format('%d %s', tonumber(count) + tonumber(ARGV[2]), ARGV[3]))
local life = redis.call('PTTL', KEYS[1])
if life > 0 then redis.call('PEXPIRE', KEYS[3], life) end
return 1
