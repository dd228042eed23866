#!lua name=switchboard_routing_@VERSION@
-- The routing kernel. Called only by engine.py: FCALL <step>_@VERSION@ 1 {shard} <now> ...
-- KEYS[1] is the shard's hash tag; every key lies under it, so that a step stays on one node of a cluster.
-- ARGV[1] is the time in integer milliseconds, 0 for the server's clock. Lists travel and are stored as
-- "a<TAB>b<LF>" lines. One call is one transition; every transition can be repeated without harm.
--
--   m              hash   layout, counters, and what every step reads and writes at once: clock, skew, reservation
--                         (last id), events (last number)
--   t              zset   what falls due: "r<TAB>entry" next ring, "l<TAB>id" lease, "w<TAB>seat" wrap-up,
--                         "x<TAB>entry<TAB>seat" end of an exclusion, "ge<TAB>entry", "gr<TAB>id" forget
--   e:ENTRY        hash   an entry, or (state "left") the memory of one; "owner" is the node that speaks for it
--   x:ENTRY        hash   excluded seat -> until
--   s:SEAT         hash   a seat that is signed in
--   r:ID           hash   a reservation; "how" is set once it has ended
--   q:CLASS        zset   waiting entries by score        p:CLASS  the same by widest class, for the place
--   f:CLASS        zset   available seats by idle-since + cost
--   n              hash   class -> signed-in seats        nx       seat -> exclusions that name it
--   entries, seats zset   all that live, in the order they came
--   events         stream what happened

local LEASE, EXCLUDE, KEEP = 2000, 60000, 600000
local EVENTS_KEPT, JUMP = 20000, 1000
local OTHERS = 3  -- how many of those who stood behind the chosen one a decision names
local prefix, now, skew, clock, events, last_id = '', 0, 0, 0, 0, 0

local function call(...) return redis.call(...) end  -- redis.call does not exist while a library loads: see begin
local function key(kind, id) return prefix .. kind .. (id or '') end
local function num(value) return tonumber(value) or 0 end
local function wall(ms) return num(ms) - skew end

local function server_clock()
  local time = call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Time never goes back: a clock set back by more than a second is followed with an offset, by less with patience.
local function begin(keys, args)
  call = redis.call
  prefix = keys[1] .. ':'
  local raw = tonumber(args[1])
  if raw == 0 then raw = server_clock() end
  local kept = call('HMGET', key('m'), 'clock', 'skew', 'events', 'reservation')
  clock, skew, events, last_id = num(kept[1]), num(kept[2]), num(kept[3]), num(kept[4])
  now = raw + skew
  if clock - now > JUMP then skew = clock - raw end
  now = math.max(now, clock)
end

local function commit()
  call('HSET', key('m'), 'clock', now, 'skew', skew, 'events', events, 'reservation', last_id)
end

local function emit(kind, ...)
  events = events + 1
  call('XADD', key('events'), 'MAXLEN', '~', EVENTS_KEPT, '*', 'seq', events, 'at', wall(now), 'kind', kind, ...)
end

local function hash(name)
  local flat, fields = call('HGETALL', name), {}
  for i = 1, #flat, 2 do fields[flat[i]] = flat[i + 1] end
  return fields
end

-- Lua compares strings by the locale; ties must fall as in a sorted set, byte by byte.
local function before(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = a:byte(i), b:byte(i)
    if x ~= y then return x < y end
  end
  return #a < #b
end

local function load_entry(id)
  local f = call('HMGET', key('e:', id), 'state', 'arrived', 'credit', 'steps', 'score', 'ring', 'reservation', 'seat',
    'owner', 'entered')
  if not f[1] or f[1] == 'left' then return nil end
  local steps = {}
  for after, class in f[4]:gmatch('([^\t]+)\t([^\n]+)\n') do steps[#steps + 1] = { num(after), class } end
  return { id = id, state = f[1], arrived = num(f[2]), credit = f[3], steps = steps, score = num(f[5]), ring = num(f[6]),
    reservation = f[7], seat = f[8], owner = f[9], entered = f[10] }
end

-- All but "until", "extended", "since" and "signed_in", which few steps ask for.
local function load_seat(id)
  local f = call('HMGET', key('s:', id), 'state', 'subs', 'owner', 'idle', 'reason', 'entry', 'reservation', 'then',
    'then_reason')
  if not f[1] then return nil end
  return { state = f[1], subs = f[2], owner = f[3], idle = f[4], reason = f[5], entry = f[6], reservation = f[7],
    ['then'] = f[8], then_reason = f[9] }
end

local function whole_seat(id)
  local s = hash(key('s:', id))
  return s.state and s or nil
end

local function load_reservation(id)
  local f = call('HMGET', key('r:', id), 'entry', 'seat', 'ring', 'class', 'expires', 'acked', 'accepted', 'how')
  if not f[1] then return nil end
  return { id = id, entry = f[1], seat = f[2], ring = f[3], class = f[4], expires = f[5], acked = f[6], accepted = f[7],
    how = f[8] }
end

local function reply(r)
  return { num(r.id), r.entry, r.seat, num(r.ring), r.class, wall(r.expires), num(r.acked), num(r.accepted) }
end

local function each_subscription(text, visit)
  for class, bonus, cost in text:gmatch('([^\t]+)\t([^\t]+)\t([^\n]+)\n') do visit(class, num(bonus), num(cost)) end
end

---------------------------------------------------------------------------------------------------- queues and sets

local function enqueue(e, from)
  for i = from + 1, e.ring do call('ZADD', key('q:', e.steps[i][2]), e.score, e.id) end
  if from == 0 then call('ZADD', key('p:', e.steps[#e.steps][2]), e.score, e.id) end
end

local function unqueue(e, upto)
  for i = 1, upto do call('ZREM', key('q:', e.steps[i][2]), e.id) end
  call('ZREM', key('p:', e.steps[#e.steps][2]), e.id)
end

local function set_free(id, subs, idle)
  each_subscription(subs, function(class, _, cost) call('ZADD', key('f:', class), idle + cost, id) end)
end

local function unset_free(id, subs)
  each_subscription(subs, function(class) call('ZREM', key('f:', class), id) end)
end

local function staff(subs, by)
  each_subscription(subs, function(class)
    if call('HINCRBY', key('n'), class, by) <= 0 then call('HDEL', key('n'), class) end
  end)
end

-- The only place where a seat's state changes. idle: since when, where that changes too.
local function set_seat(id, state, reason, entry, reservation, till, idle)
  local fields = { 'state', state, 'reason', reason, 'since', now, 'entry', entry or '', 'reservation',
    reservation or 0, 'until', till or 0, 'extended', 0 }
  if state == 'available' or state == 'paused' then
    fields[15], fields[16], fields[17], fields[18] = 'then', '', 'then_reason', ''
  end
  if idle then fields[#fields + 1], fields[#fields + 2] = 'idle', idle end
  call('HSET', key('s:', id), unpack(fields))
  emit('seat.changed', 'seat', id, 'state', state, 'reason', reason, 'entry', entry or '', 'reservation',
    reservation or 0, 'until', till and wall(till) or '')
end

---------------------------------------------------------------------------------------------------------- matching

local function connect(r, e)
  r.accepted = 1
  call('HSET', key('r:', r.id), 'accepted', 1)
  call('ZREM', key('t'), 'l\t' .. r.id, 'r\t' .. e.id)
  call('HSET', key('e:', e.id), 'state', 'connected')
  emit('reservation.accepted', 'reservation', r.id, 'entry', e.id, 'seat', r.seat, 'ring', r.ring, 'class', r.class,
    'waited', now - e.arrived)
  set_seat(r.seat, 'in_contact', '', e.id, r.id)
end

-- Grows even if the last second is lost.
local function new_id()
  last_id = math.max(last_id + 1, now * 10)
  return last_id
end

-- Who stood next to the chosen one in the set that was looked into, with the values that were compared.
local function others(by, class, chosen)
  if by == 'pair' then return '' end
  local named = {}
  local standing = call('ZRANGE', key(by == 'entry' and 'f:' or 'q:', class), 0, OTHERS, 'WITHSCORES')
  for i = 1, #standing, 2 do
    if standing[i] ~= chosen and #named < OTHERS then
      named[#named + 1] = standing[i] .. '=' .. wall(standing[i + 1])
    end
  end
  return table.concat(named, ' ')
end

-- found: { by = 'entry' | 'seat' | 'pair', ring =, order = the value that won, idle = since when the seat is, if new }
-- A message seat accepts by itself: nobody would answer, and a node that dies must not lose the assignment.
local function reserve(e, seat, found)
  local id, class, expires = new_id(), e.steps[found.ring][2], now + LEASE
  local passed = call('HKEYS', key('x:', e.id))
  table.sort(passed, before)
  local r = { id = id, entry = e.id, seat = seat, ring = found.ring, class = class, expires = expires, acked = 0,
    accepted = 0 }
  call('HSET', key('r:', id), 'entry', e.id, 'seat', seat, 'ring', found.ring, 'class', class, 'expires', expires,
    'acked', 0, 'accepted', 0, 'how', '')
  call('HSET', key('e:', e.id), 'state', 'reserved', 'reservation', id, 'seat', seat)
  call('ZADD', key('t'), expires, 'l\t' .. id)
  emit('reservation.created', 'reservation', id, 'entry', e.id, 'seat', seat, 'ring', found.ring, 'class', class,
    'score', wall(e.score), 'order', wall(found.order), 'by', found.by, 'free', call('ZCARD', key('f:', class)),
    'waiting', call('ZCARD', key('q:', class)), 'passed', table.concat(passed, ' '),
    'others', others(found.by, class, found.by == 'entry' and seat or e.id), 'waited', now - e.arrived,
    'expires', wall(expires))
  set_seat(seat, 'reserved', '', e.id, id, nil, found.idle)
  if seat:find('/message-', 1, true) then connect(r, e) end
  return r
end

-- Opens what is due. A ring that nobody signed in could serve is not worth waiting in: the next one opens at once,
-- and the narrow ones stay open for whoever signs in later.
local function advance(e)
  local ring, staffed, from = e.ring, false, e.ring
  for i = 1, ring do staffed = staffed or call('HEXISTS', key('n'), e.steps[i][2]) == 1 end
  while ring < #e.steps and (e.arrived + e.steps[ring + 1][1] <= now or not staffed) do
    ring = ring + 1
    staffed = staffed or call('HEXISTS', key('n'), e.steps[ring][2]) == 1
  end
  e.ring = ring
  if ring ~= from then call('HSET', key('e:', e.id), 'ring', ring) end
  if ring < #e.steps then call('ZADD', key('t'), e.arrived + e.steps[ring + 1][1], 'r\t' .. e.id)
  else call('ZREM', key('t'), 'r\t' .. e.id) end
  return from
end

-- The entry looks for a seat in the rings from + 1 ... e.ring, strictest first, else waits in them.
local function seek_seat(e, from)
  local excluded = call('HLEN', key('x:', e.id))
  for i = from + 1, e.ring do
    local standing = call('ZRANGE', key('f:', e.steps[i][2]), 0, excluded, 'WITHSCORES')
    for j = 1, #standing, 2 do
      if excluded == 0 or call('HEXISTS', key('x:', e.id), standing[j]) == 0 then
        if from > 0 then unqueue(e, from) end
        local r = reserve(e, standing[j], { by = 'entry', ring = i, order = standing[j + 1] })
        unset_free(standing[j], call('HGET', key('s:', standing[j]), 'subs'))
        return r
      end
    end
  end
  enqueue(e, from)
end

-- The seat looks for the best entry over all its classes, else stands free in them.
local function seek_entry(id, s, idle)
  local excluded = num(call('HGET', key('nx'), id))
  local best, best_id, best_class
  each_subscription(s.subs, function(class, bonus)
    local waiting = call('ZRANGE', key('q:', class), 0, excluded, 'WITHSCORES')
    for i = 1, #waiting, 2 do
      if excluded == 0 or call('HEXISTS', key('x:', waiting[i]), id) == 0 then
        local order = num(waiting[i + 1]) - bonus
        if not best or order < best or (order == best and before(waiting[i], best_id)) then
          best, best_id, best_class = order, waiting[i], class
        end
        break
      end
    end
  end)
  if best then
    local e, ring = load_entry(best_id), nil
    for i = 1, e.ring do ring = ring or (e.steps[i][2] == best_class and i) end
    local r = reserve(e, id, { by = 'seat', ring = ring, order = best, idle = idle })
    unqueue(e, e.ring)
    return r
  end
  if s.state ~= 'available' then set_seat(id, 'available', '', nil, nil, nil, idle) end
  set_free(id, s.subs, idle)
end

------------------------------------------------------------------------------------------------ endings and returns

local function requeue(e)
  call('HSET', key('e:', e.id), 'state', 'waiting', 'reservation', 0, 'seat', '')
  e.state = 'waiting'
  advance(e)
  return seek_seat(e, 0)
end

local function sign_out(id, s)
  staff(s.subs, -1)
  call('DEL', key('s:', id))
  call('ZREM', key('seats'), id)
  call('ZREM', key('t'), 'w\t' .. id)
  emit('seat.changed', 'seat', id, 'state', 'offline', 'reason', '')
end

-- A seat comes free: what was asked meanwhile is done now, else what the caller says.
-- to: { state = 'available' | 'paused', reason =, idle = }; mine = the pause of the caller goes before the remembered.
local function release(id, to, mine)
  local s = load_seat(id)
  if s['then'] == 'offline' then return sign_out(id, s) end
  if s['then'] == 'paused' and not (mine and to.state == 'paused') then
    return set_seat(id, 'paused', s.then_reason)
  end
  if to.state == 'paused' then return set_seat(id, 'paused', to.reason) end
  s.state = 'released'
  seek_entry(id, s, to.idle or now)
end

local function end_reservation(r, how, reason)
  call('HSET', key('r:', r.id), 'how', how, 'ended', now)
  call('ZREM', key('t'), 'l\t' .. r.id)
  call('ZADD', key('t'), now + KEEP, 'gr\t' .. r.id)
  emit('reservation.' .. how, 'reservation', r.id, 'entry', r.entry, 'seat', r.seat, 'ring', r.ring, 'class', r.class,
    'reason', reason)
end

local function exclude(entry, seat, ms)
  call('HSET', key('x:', entry), seat, now + ms)
  call('HINCRBY', key('nx'), seat, 1)
  call('ZADD', key('t'), now + ms, 'x\t' .. entry .. '\t' .. seat)
end

local function include(entry, seat)
  call('HDEL', key('x:', entry), seat)
  if call('HINCRBY', key('nx'), seat, -1) <= 0 then call('HDEL', key('nx'), seat) end
end

-- The entry keeps its place and does not meet this seat again for exclude_ms.
local function give_back(r, how, reason, seat_to, exclude_ms)
  end_reservation(r, how, reason)
  if exclude_ms > 0 then exclude(r.entry, r.seat, exclude_ms) end
  requeue(load_entry(r.entry))
  release(r.seat, seat_to, how == 'timed_out')
end

local function remember_left(id, how)
  call('HSET', key('e:', id), 'state', 'left', 'how', how, 'left', now)
  call('ZADD', key('t'), now + KEEP, 'ge\t' .. id)
end

local function drop_entry(e, how, reason)
  for _, seat in ipairs(call('HKEYS', key('x:', e.id))) do
    include(e.id, seat)
    call('ZREM', key('t'), 'x\t' .. e.id .. '\t' .. seat)
  end
  call('DEL', key('e:', e.id), key('x:', e.id))
  call('ZREM', key('t'), 'r\t' .. e.id)
  call('ZREM', key('entries'), e.id)
  call('HINCRBY', key('m'), how, 1)
  remember_left(e.id, how)
  emit('entry.left', 'entry', e.id, 'reason', reason, 'how', how, 'waited', now - e.arrived)
end

-- The new entry, or nothing when the id is known. revive: forget an ending older than this.
local function make_entry(id, args, revive, owner)
  local known = call('HMGET', key('e:', id), 'state', 'left')
  if known[1] and (known[1] ~= 'left' or num(known[2]) >= revive) then return nil end
  call('DEL', key('e:', id))
  call('ZREM', key('t'), 'ge\t' .. id)
  local arrived = num(args[3]) == 0 and now or math.min(num(args[3]) + skew, now)
  call('HSET', key('e:', id), 'state', 'waiting', 'arrived', arrived, 'credit', args[4], 'steps', args[5],
    'score', arrived - num(args[4]), 'ring', 0, 'reservation', 0, 'seat', '', 'owner', owner,
    'entered', now)
  call('ZADD', key('entries'), call('HINCRBY', key('m'), 'entered', 1), id)
  return load_entry(id)
end

-- Whoever speaks for it from now on: its node may have died, or the desk have moved to another.
local function own(name, held, owner)
  if held.owner ~= owner then call('HSET', name, 'owner', owner) end
end

-- subs nil: those it has. Returns the seat as it stands then.
local function enrol(id, s, subs, owner)
  if s then own(key('s:', id), s, owner) end
  if not s then
    call('ZADD', key('seats'), call('HINCRBY', key('m'), 'signed_in', 1), id)
    call('HSET', key('s:', id), 'state', 'offline', 'subs', subs or '', 'then', '', 'then_reason', '', 'idle', now,
      'owner', owner, 'signed_in', now)
    staff(subs or '', 1)
  elseif subs and subs ~= s.subs then
    if s.state == 'available' then unset_free(id, s.subs) end
    staff(s.subs, -1)
    staff(subs, 1)
    call('HSET', key('s:', id), 'subs', subs)
  else return s, false end
  return load_seat(id), true
end

local function busy(s) return s and (s.state == 'reserved' or s.state == 'in_contact') end

local function set_then(id, s, state, reason)
  if s['then'] == state and s.then_reason == reason then return end
  call('HSET', key('s:', id), 'then', state, 'then_reason', reason)
  emit('seat.changed', 'seat', id, 'state', s.state, 'reason', s.reason, 'entry', s.entry, 'reservation', s.reservation,
    'then', state)
end

------------------------------------------------------------------------------------------------------------- steps

-- now, layout -> layout of the state, the server's clock
local function open(keys, args)
  prefix = keys[1] .. ':'
  call('HSETNX', key('m'), 'layout', args[2])
  return { call('HGET', key('m'), 'layout'), server_clock() }
end

local steps = {}

-- now, entry, arrived, credit, steps, revive, owner -> reservation or nothing
function steps.enter(_, args)
  local e = make_entry(args[2], args, num(args[6]) == 0 and 0 or num(args[6]) + skew, args[7])
  if not e then
    local held = load_entry(args[2])
    if held then own(key('e:', held.id), held, args[7]) end
    return held and held.state == 'reserved' and reply(load_reservation(held.reservation)) or nil
  end
  advance(e)
  emit('entry.entered', 'entry', e.id, 'score', wall(e.score), 'ring', e.ring, 'class', e.steps[e.ring][2])
  local r = seek_seat(e, 0)
  return r and reply(r)
end

-- now, entry, reason -> 1 when it left without a contact
function steps.abandon(_, args)
  local e = load_entry(args[2])
  if not e then
    local how = call('HGET', key('e:', args[2]), 'how')
    if not how then remember_left(args[2], 'unknown') end  -- a late enter must not bring it to life
    return how == 'abandoned' and 1 or 0
  end
  if e.state == 'connected' then return 0 end
  local r = e.state == 'reserved' and load_reservation(e.reservation)
  if r then end_reservation(r, 'cancelled', args[3]) else unqueue(e, e.ring) end
  drop_entry(e, 'abandoned', args[3])
  if r then
    release(r.seat, { state = 'available', idle = num(call('HGET', key('s:', r.seat), 'idle')) })
  end
  return 1
end

-- now, seat, 1 | 0, subscriptions, owner -> reservation or nothing
function steps.ready(_, args)
  local id, s = args[2], load_seat(args[2])
  local was = s and s.state
  local changed
  s, changed = enrol(id, s, args[3] == '1' and args[4] or nil, args[5])
  if busy(s) then
    set_then(id, s, '', '')
    return was == 'reserved' and reply(load_reservation(s.reservation)) or nil
  end
  if was == 'available' and not changed then return nil end
  if was == 'wrap_up' then
    call('ZREM', key('t'), 'w\t' .. id)
    call('HSET', key('s:', id), 'then', '', 'then_reason', '')
  end
  local r = seek_entry(id, s, was == 'available' and num(s.idle) or now)
  return r and reply(r)
end

-- now, seat, subscriptions -> reservation or nothing; the state stays what it is
function steps.subscribe(_, args)
  local s, changed = load_seat(args[2]), nil
  if not s then return nil end
  s, changed = enrol(args[2], s, args[3], s.owner)
  if s.state ~= 'available' or not changed then return nil end
  local r = seek_entry(args[2], s, num(s.idle))
  return r and reply(r)
end

-- now, seat, reason, 1 | 0, subscriptions, owner -> state
function steps.pause(_, args)
  local id, s = args[2], load_seat(args[2])
  s = enrol(id, s, args[4] == '1' and args[5] or nil, args[6])
  if busy(s) then
    set_then(id, s, 'paused', args[3])
    return s.state
  end
  if s.state == 'available' then unset_free(id, s.subs) end
  if s.state == 'wrap_up' then call('ZREM', key('t'), 'w\t' .. id) end
  if s.state ~= 'paused' or s.reason ~= args[3] then set_seat(id, 'paused', args[3]) end
  return 'paused'
end

-- now, seat -> state
function steps.leave(_, args)
  local s = load_seat(args[2])
  if not s then return 'offline' end
  if busy(s) then
    set_then(args[2], s, 'offline', '')
    return s.state
  end
  if s.state == 'available' then unset_free(args[2], s.subs) end
  sign_out(args[2], s)
  return 'offline'
end

-- now, reservation, how long it rings -> reservation or nothing; the lease grows once
function steps.acknowledge(_, args)
  local r = load_reservation(args[2])
  if not r or r.how ~= '' then return nil end
  if r.acked == '0' and r.accepted == '0' then
    r.acked, r.expires = '1', now + num(args[3])
    call('HSET', key('r:', r.id), 'acked', 1, 'expires', r.expires)
    call('ZADD', key('t'), r.expires, 'l\t' .. r.id)
    emit('reservation.acknowledged', 'reservation', r.id, 'entry', r.entry, 'seat', r.seat, 'expires', wall(r.expires))
  end
  return reply(r)
end

-- now, reservation -> 1 when this reservation holds the contact
function steps.accept(_, args)
  local r = load_reservation(args[2])
  if not r or r.how ~= '' then return 0 end
  if r.accepted == '0' then connect(r, load_entry(r.entry)) end
  return 1
end

-- now, reservation, reason, state of the seat, exclude -> 1 when it was (or is now) rejected
function steps.reject(_, args)
  local r = load_reservation(args[2])
  if not r or r.how ~= '' or r.accepted ~= '0' then return r and r.how == 'rejected' and 1 or 0 end
  give_back(r, 'rejected', args[3], { state = args[4], reason = args[3] }, num(args[5]))
  return 1
end

-- now, reservation, reason, state of the seat, exclude -> 1 when an accepted contact went back to its place
function steps.give_back(_, args)
  local r = load_reservation(args[2])
  if not r or r.how ~= '' or r.accepted == '0' then return r and r.how == 'returned' and 1 or 0 end
  give_back(r, 'returned', args[3], { state = args[4], reason = args[3] }, num(args[5]))
  return 1
end

-- now, reservation, wrap-up -> 1 when the contact is (or was) finished
function steps.finish(_, args)
  local r, wrap_up = load_reservation(args[2]), num(args[3])
  if not r then  -- a late restore must not bring it to life
    call('HSET', key('r:', args[2]), 'how', 'unknown', 'ended', now)
    call('ZADD', key('t'), now + KEEP, 'gr\t' .. args[2])
    return 0
  end
  if r.how ~= '' or r.accepted == '0' then return r.how == 'finished' and 1 or 0 end
  end_reservation(r, 'finished', '')
  drop_entry(load_entry(r.entry), 'finished', '')
  if wrap_up > 0 then
    call('ZADD', key('t'), now + wrap_up, 'w\t' .. r.seat)
    set_seat(r.seat, 'wrap_up', '', nil, nil, now + wrap_up)
  else release(r.seat, { state = 'available' }) end
  return 1
end

-- now, seat, longer by -> end of the wrap-up or nothing; grows once
function steps.extend(_, args)
  local s = whole_seat(args[2])
  if not s or s.state ~= 'wrap_up' then return nil end
  local till = num(s['until'])
  if s.extended == '0' then
    till = till + num(args[3])
    call('HSET', key('s:', args[2]), 'until', till, 'extended', 1)
    call('ZADD', key('t'), till, 'w\t' .. args[2])
    emit('seat.changed', 'seat', args[2], 'state', 'wrap_up', 'reason', s.reason, 'until', wall(till))
  end
  return wall(till)
end

-- now, entry, arrived, credit, steps, revive, owner, seat, reservation, subscriptions, 1 | 0: take it from whoever the
-- kernel believes to be in contact with either -> reservation; nothing when either
-- has ended since revive; an error when one of the two is in contact with somebody else.
function steps.restore(_, args)
  local id, owner, seat, rid = args[2], args[7], args[8], num(args[9])
  local revive = num(args[6]) == 0 and 0 or num(args[6]) + skew
  local e, s = load_entry(id), load_seat(seat)
  if e and e.state ~= 'waiting' and e.seat == seat then
    local r = load_reservation(e.reservation)
    if e.state == 'reserved' then connect(r, e) end
    own(key('e:', id), e, owner)
    own(key('s:', seat), s, owner)
    return reply(r)
  end
  local ended = call('HMGET', key('r:', rid), 'how', 'ended')
  if ended[1] and ended[1] ~= '' and num(ended[2]) >= revive then return nil end
  if args[11] ~= '1' then
    if s and s.state == 'in_contact' then return redis.error_reply('CONFLICT the seat is in contact') end
    if e and e.state == 'connected' then return redis.error_reply('CONFLICT the entry is in contact') end
  end
  local left = e and e.state ~= 'waiting' and load_reservation(e.reservation)
  if left then end_reservation(left, e.state == 'reserved' and 'cancelled' or 'returned', 'restored')
  elseif e then unqueue(e, e.ring) end
  if e then own(key('e:', id), e, owner) end
  if not e then
    e = make_entry(id, args, revive, owner)
    if not e then return nil end
    e.ring = 1
    call('HSET', key('e:', id), 'ring', 1)
    emit('entry.entered', 'entry', id, 'score', wall(e.score), 'ring', 1, 'class', e.steps[1][2])
  end
  local other = busy(s) and load_reservation(s.reservation)
  if other then end_reservation(other, s.state == 'reserved' and 'cancelled' or 'returned', 'restored') end
  s = enrol(seat, s, args[10], owner)
  if s.state == 'available' then unset_free(seat, s.subs) end
  if s.state == 'wrap_up' then call('ZREM', key('t'), 'w\t' .. seat) end
  if rid == 0 or call('EXISTS', key('r:', rid)) == 1 then rid = new_id() end
  last_id = math.max(last_id, rid)
  call('HSET', key('r:', rid), 'entry', id, 'seat', seat, 'ring', e.ring, 'class', e.steps[e.ring][2], 'expires', now,
    'acked', 1, 'accepted', 0, 'how', '')
  call('HSET', key('e:', id), 'reservation', rid, 'seat', seat)
  connect(load_reservation(rid), e)
  if other then requeue(load_entry(other.entry)) end
  if left then release(left.seat, { state = 'available' }) end
  return reply(load_reservation(rid))
end

-------------------------------------------------------------------------------------------------------------- time

local due = {}

function due.r(id)
  local e = load_entry(id)
  local from = advance(e)
  if e.ring == from then return end
  emit('entry.relaxed', 'entry', id, 'ring', e.ring, 'class', e.steps[e.ring][2], 'score', wall(e.score),
    'waited', now - e.arrived)
  if e.state == 'waiting' then seek_seat(e, from) end
end

function due.l(id)
  local r = load_reservation(id)
  local reason = r.acked == '1' and 'no_answer' or 'desk_gone'
  give_back(r, 'timed_out', reason, { state = 'paused', reason = reason }, EXCLUDE)
end

function due.w(id) release(id, { state = 'available' }) end

-- Only this pair may meet anew: each of the two would have met anybody else already.
function due.x(rest)
  local id, seat = rest:match('^([^\t]+)\t(.+)$')
  include(id, seat)
  local e, s = load_entry(id), load_seat(seat)
  if not e or e.state ~= 'waiting' or not s or s.state ~= 'available' then return end
  for i = 1, e.ring do
    local order = call('ZSCORE', key('f:', e.steps[i][2]), seat)
    if order then
      reserve(e, seat, { by = 'pair', ring = i, order = order })
      unqueue(e, e.ring)
      unset_free(seat, s.subs)
      return
    end
  end
end

function due.ge(id) call('DEL', key('e:', id)) end
function due.gr(id) call('DEL', key('r:', id)) end

-- now, limit -> next due or nothing, number handled
function steps.tick(_, args)
  local handled = 0
  for _, member in ipairs(call('ZRANGE', key('t'), '-inf', now, 'BYSCORE', 'LIMIT', 0, num(args[2]))) do
    local at = call('ZSCORE', key('t'), member)
    if at and num(at) <= now then  -- an earlier one of this batch may have settled or moved it
      call('ZREM', key('t'), member)
      handled = handled + 1
      local kind, id = member:match('^(%a+)\t(.*)$')
      due[kind](id)
    end
  end
  local next_due = call('ZRANGE', key('t'), 0, 0, 'WITHSCORES')[2]
  return { next_due and wall(next_due) or false, handled }
end

---------------------------------------------------------------------------------------------------------- questions

local questions = {}

-- now, entry -> waiting ahead, seats signed in; or nothing
function questions.place(keys, args)
  prefix = keys[1] .. ':'
  local e = load_entry(args[2])
  if not e then return nil end
  local seats = 0
  for _, step in ipairs(e.steps) do seats = math.max(seats, num(call('HGET', key('n'), step[2]))) end
  return { num(call('ZRANK', key('p:', e.steps[#e.steps][2]), e.id)), seats }
end

-- now, class... -> signed-in seats of each
function questions.staffed(keys, args)
  prefix = keys[1] .. ':'
  local out = {}
  for i = 2, #args do out[#out + 1] = num(call('HGET', key('n'), args[i])) end
  return out
end

local function entry_row(e)
  return { e.id, e.state, wall(e.arrived), num(e.credit), e.ring, e.steps[e.ring][2], num(e.reservation), e.seat,
    e.owner or '', wall(num(e.entered)) }
end

local function seat_row(id, s)
  return { id, s.state, s.reason, wall(s.since), num(s['until']) > 0 and wall(s['until']) or 0, s['then'],
    s.then_reason, num(s.reservation), s.entry, s.owner or '', wall(num(s.signed_in)) }
end

local function look(keys, args)
  prefix = keys[1] .. ':'
  local kept, raw = call('HMGET', key('m'), 'clock', 'skew'), tonumber(args[1])
  if raw == 0 then raw = server_clock() end
  skew = num(kept[2])
  now = math.max(raw + skew, num(kept[1]))
end

-- now, entry -> the entry or nothing
function questions.entry(keys, args)
  look(keys, args)
  local e = load_entry(args[2])
  return e and entry_row(e)
end

-- now, seat -> the seat or nothing
function questions.seat(keys, args)
  look(keys, args)
  local s = whole_seat(args[2])
  return s and seat_row(args[2], s)
end

-- now, entry -> now; the entry; its order; each ring: opens, class, seats signed in, seats free, entries before it, entries in it;
-- or nothing
function questions.rings(keys, args)
  look(keys, args)
  local e = load_entry(args[2])
  if not e then return nil end
  local rings = {}
  for i, step in ipairs(e.steps) do
    local class = step[2]
    rings[i] = { wall(e.arrived + step[1]), class, num(call('HGET', key('n'), class)), call('ZCARD', key('f:', class)),
      call('ZCOUNT', key('q:', class), '-inf', '(' .. e.score), call('ZCARD', key('q:', class)) }
  end
  return { wall(now), entry_row(e), wall(e.score), rings }
end

-- now, entry, first seat, page size -> seats looked at; those that serve one of its classes: seat, strictest ring,
-- bonus and cost there, idle since, end of its exclusion or 0
function questions.servers(keys, args)
  look(keys, args)
  local e = load_entry(args[2])
  if not e then return { 0, {} } end
  local ring_of, found, first, size = {}, {}, num(args[3]), num(args[4])
  for i, step in ipairs(e.steps) do ring_of[step[2]] = i end
  local ids = call('ZRANGE', key('seats'), first, first + size - 1)
  for _, id in ipairs(ids) do
    local s, ring, gain, price = whole_seat(id), nil, 0, 0
    each_subscription(s.subs, function(class, bonus, cost)
      local at = ring_of[class]
      if at and (not ring or at < ring) then ring, gain, price = at, bonus, cost end
    end)
    if ring then
      local till = num(call('HGET', key('x:', e.id), id))
      found[#found + 1] = { seat_row(id, s), ring, gain, price, wall(num(s.idle)), till > 0 and wall(till) or 0 }
    end
  end
  return { #ids, found }
end

-- now, first entry, first seat, page size -> now, last stream id, events, counters, entries, reservations, seats
function questions.snapshot(keys, args)
  prefix = keys[1] .. ':'
  local meta = hash(key('m'))
  skew = num(meta.skew)
  local entries, reservations, seats = {}, {}, {}
  local size = num(args[4])
  for _, id in ipairs(call('ZRANGE', key('entries'), num(args[2]), num(args[2]) + size - 1)) do
    local e = load_entry(id)
    entries[#entries + 1] = entry_row(e)
    if num(e.reservation) ~= 0 then reservations[#reservations + 1] = reply(load_reservation(e.reservation)) end
  end
  for _, id in ipairs(call('ZRANGE', key('seats'), num(args[3]), num(args[3]) + size - 1)) do
    seats[#seats + 1] = seat_row(id, whole_seat(id))
  end
  local last = call('XREVRANGE', key('events'), '+', '-', 'COUNT', 1)[1]
  return { wall(meta.clock), last and last[1] or '0-0', num(meta.events), num(meta.entered), num(meta.finished),
    num(meta.abandoned), entries, reservations, seats }
end

-- No global but redis exists while a library loads, not even pairs.
local step_names = { 'enter', 'abandon', 'ready', 'subscribe', 'pause', 'leave', 'acknowledge', 'accept', 'reject',
  'give_back', 'finish', 'extend', 'restore', 'tick' }
local question_names = { 'place', 'staffed', 'entry', 'seat', 'rings', 'servers', 'snapshot' }
redis.register_function('open_@VERSION@', open)
for i = 1, #step_names do
  local step = steps[step_names[i]]
  redis.register_function(step_names[i] .. '_@VERSION@', function(keys, args)
    begin(keys, args)
    local answer = step(keys, args)
    commit()
    return answer
  end)
end
for i = 1, #question_names do
  redis.register_function { function_name = question_names[i] .. '_@VERSION@', callback = questions[question_names[i]],
    flags = { 'no-writes' } }
end
