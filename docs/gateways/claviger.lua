-- Asks Claviger whether a request may go on: the action `lua.claviger` of haproxy.cfg. For HAProxy 2.6 or newer.
--
-- The action has one argument, the address of the question: http://127.0.0.1:9011/forward-auth. It deletes and sets no header.
-- What came of it is in variables of the transaction, and haproxy.cfg does what they say:
--
--   txn.claviger_status        200, 401 or 403; unset for everything else that can happen
--   txn.claviger_challenge     WWW-Authenticate of a 401
--   txn.claviger_api_key_id, txn.claviger_api_key_name, txn.claviger_entity_id, txn.claviger_tenant_id,
--   txn.claviger_upstream_token
--                              what a 200 says about the caller, each unset if it does not say it
--
-- Whatever ends this early, an error, a time-out or HAProxy's limit on Lua, leaves the status unset, and nobody is let through.

-- Milliseconds without a word from Claviger.
local PATIENCE = 2000

-- What Claviger reads from the client's own headers, in lower case. All values go along, so that it sees what stands there twice.
local SENT_ALONG = { "authorization", "x-api-key", "apikey", "x-fusionauth-tenantid" }

local TOLD = {
	["x-claviger-api-key-id"] = "txn.claviger_api_key_id",
	["x-claviger-api-key-name"] = "txn.claviger_api_key_name",
	["x-claviger-entity-id"] = "txn.claviger_entity_id",
	["x-claviger-tenant-id"] = "txn.claviger_tenant_id",
	["x-claviger-upstream-token"] = "txn.claviger_upstream_token",
}

-- The values of a header. HAProxy counts them from 0, has names in lower case and does not split at commas.
local function values(headers, name)
	local found = {}
	for _, value in pairs(headers[name] or {}) do
		found[#found + 1] = value
	end
	return found
end

local function decide(txn, address)
	local sent = txn.http:req_get_headers()
	local question = {
		-- `url` is the whole target, which goes on as it is: that of an absolute URI with it, which Claviger refuses.
		["x-original-method"] = { txn.f:method() },
		["x-original-uri"] = { txn.f:url() },
		["x-forwarded-for"] = { txn.f:src() },
	}
	for _, name in ipairs(SENT_ALONG) do
		local own = values(sent, name)
		if #own > 0 then
			question[name] = own
		end
	end
	-- HEAD, because an answer to it has no body: HAProxy's client collects bodies of any length.
	local answer = core.httpclient():head({ url = address, headers = question, timeout = PATIENCE })

	local challenge
	if answer.status == 200 then
		for name, variable in pairs(TOLD) do
			local told = values(answer.headers, name)
			if #told > 1 then
				return
			end
			if told[1] and told[1] ~= "" then
				txn:set_var(variable, told[1])
			end
		end
	elseif answer.status == 401 then
		challenge = values(answer.headers, "www-authenticate")[1]
		if not challenge then
			return
		end
		txn:set_var("txn.claviger_challenge", challenge)
	elseif answer.status ~= 403 then
		return
	end
	-- At the end, so that it says that everything else was done.
	txn:set_var("txn.claviger_status", answer.status)
end

core.register_action("claviger", { "http-req" }, decide, 1)
