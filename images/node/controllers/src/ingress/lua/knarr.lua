-- Who answers a request: the one part that changes without a reload.
-- The controller puts a table of routes and endpoints into shared memory; every worker reads it when it has changed.
local balancer = require "ngx.balancer"
local cjson = require "cjson.safe"

local M = { generation = 0 }
local shared = ngx.shared.knarr
local seen, routes, backends = nil, {}, {}
local turns = {}

local function sync()
    local version = shared:get("version")
    if version == seen then
        return
    end
    local fresh = cjson.decode(shared:get("table") or "")
    if fresh then
        seen, routes, backends = version, fresh.routes, fresh.backends
    end
end

local function peers(backend)
    local found = backend and backends[backend]
    if found and #found > 0 then
        return found
    end
end

local function identity(peer)
    return ngx.md5(peer)
end

-- The endpoint that the client's cookie names, in one of the backends.
local function kept(route, candidates)
    local cookie = route.sticky and ngx.var["cookie_" .. route.sticky.name]
    if not cookie then
        return
    end
    for _, backend in ipairs(candidates) do
        for _, peer in ipairs(backends[backend] or {}) do
            if identity(peer) == cookie then
                return backend, peer
            end
        end
    end
end

-- True, false, or nothing when the canary has no opinion beyond its weight.
local function wanted(canary)
    if canary.header then
        local value = ngx.var["http_" .. canary.header:lower():gsub("%-", "_")]
        if value and canary.value then
            if value == canary.value then
                return true
            end
        elseif value and canary.pattern then
            if ngx.re.find(value, canary.pattern, "jo") then
                return true
            end
        elseif value == "always" then
            return true
        elseif value == "never" then
            return false
        end
    end
    local cookie = canary.cookie and ngx.var["cookie_" .. canary.cookie]
    if cookie == "always" then
        return true
    elseif cookie == "never" then
        return false
    end
end

local function select_backend(route)
    local canary = route.canary
    if not (canary and peers(canary.backend)) then
        return route.backend, select(2, kept(route, { route.backend }))
    end
    local decided = wanted(canary)
    if decided == true then
        return canary.backend, select(2, kept(route, { canary.backend }))
    elseif decided == false then
        return route.backend, select(2, kept(route, { route.backend }))
    end
    local backend, peer = kept(route, { route.backend, canary.backend })
    if backend then
        return backend, peer
    end
    if math.random(canary.total) <= canary.weight then
        return canary.backend
    end
    return route.backend
end

-- Chooses the backend; without any endpoint the answer is 503.
function M.choose(key)
    sync()
    local route = routes[key]
    if not route then
        return ngx.exit(503)
    end
    local backend, peer = select_backend(route)
    if not peers(backend) then
        backend, peer = route.fallback, nil
    end
    if not peers(backend) then
        return ngx.exit(503)
    end
    ngx.ctx.knarr = { route = route, backend = backend, first = peer, kept = peer ~= nil, tried = {} }
end

local function next_peer(chosen)
    local all = peers(chosen.backend)
    if not all then
        return
    end
    local turn = turns[chosen.backend] or math.random(#all)
    turns[chosen.backend] = turn % 1000000 + 1
    for offset = 0, #all - 1 do
        local peer = all[(turn + offset) % #all + 1]
        if not chosen.tried[peer] then
            return peer
        end
    end
    return all[turn % #all + 1]
end

-- Chooses the endpoint; runs again when it could not be reached, with the endpoints known by then.
function M.balance()
    local chosen = ngx.ctx.knarr
    if not chosen then
        return ngx.exit(503)
    end
    sync()
    local peer = chosen.first or next_peer(chosen)
    chosen.first = nil
    if not peer then
        return ngx.exit(503)
    end
    if not next(chosen.tried) then
        balancer.set_more_tries(3)
    end
    chosen.tried[peer] = true
    chosen.failed = chosen.peer ~= nil
    chosen.peer = peer
    local host, port = peer:match("^(.*):(%d+)$")
    local ok, why = balancer.set_current_peer(host, tonumber(port))
    if not ok then
        ngx.log(ngx.ERR, "cannot use the endpoint ", peer, ": ", why)
    end
end

local function draining()
    local drain = shared:get("drain")
    return drain == "all" or drain == tostring(M.generation)
end

-- Cookies of clients that stay; and before this worker ends, clients are asked to connect anew.
function M.header()
    local chosen = ngx.ctx.knarr
    local sticky = chosen and chosen.route.sticky
    if sticky and chosen.peer and (not chosen.kept or chosen.failed and sticky.moves) then
        local cookie = sticky.name .. "=" .. identity(chosen.peer)
        if sticky.expires then
            cookie = cookie .. "; Expires=" .. ngx.cookie_time(ngx.time() + sticky.expires)
        end
        local others = ngx.header["Set-Cookie"]
        if type(others) ~= "table" then
            others = { others }
        end
        others[#others + 1] = cookie .. sticky.attributes
        ngx.header["Set-Cookie"] = others
    end
    if shared:get("drain") and draining() and (ngx.req.http_version() or 2) < 2 and ngx.status ~= 101 then
        ngx.header["Connection"] = "close"
    end
end

-- Ready from the first table on until the end begins.
function M.ready()
    if not shared:get("version") or shared:get("drain") == "all" then
        ngx.status = 503
        return ngx.say("not ready")
    end
    ngx.say("ready")
end

local commands = {
    ["/table"] = function(body)
        if not cjson.decode(body) then
            return "not JSON"
        end
        local ok, why = shared:set("table", body)
        if not ok then
            return why
        end
        shared:incr("version", 1, 0)
    end,
    ["/drain"] = function(body)
        shared:set("drain", body)
    end,
}

-- What the controller says (POST) and asks (GET).
function M.control()
    local command = commands[ngx.var.uri]
    if command then
        ngx.req.read_body()
        local why = command(ngx.req.get_body_data() or "")
        if why then
            ngx.status = 507
            return ngx.say(why)
        end
    end
    ngx.say(M.generation, " ", ngx.var.connections_waiting, " ", ngx.var.connections_active)
end

return M
