-- One more attempt; the same as `greylisted` of greylist.ts. KEYS[1]: "first passed until".
-- ARGV: now, delay, window, pass (ms), and "allow" to let it pass whatever it is.
local now, delay, window, pass = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local allow = ARGV[5] == 'allow'
local first, passed, till = string.match(redis.call('GET', KEYS[1]) or '', '^(%d+) ([01]) (%d+)$')
first, till = tonumber(first), tonumber(till)
local kind, wait = 'new', delay
if first and now < till then
  wait = math.max(0, first + delay - now)
  kind = passed == '1' and 'passed' or wait > 0 and 'early' or 'passes'
else
  first = now
end
if allow or kind == 'passes' or kind == 'passed' then
  redis.call('SET', KEYS[1], string.format('%d 1 %d', first, now + pass), 'PX', pass)
  wait = 0
elseif kind == 'new' then
  redis.call('SET', KEYS[1], string.format('%d 0 %d', now, now + window), 'PX', window)
end
return { kind, first, wait }
