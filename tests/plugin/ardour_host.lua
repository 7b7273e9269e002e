-- Puts Stems Multi on the track "other" of a session, sets it, bounces through it, saves, and looks again.
-- For test_lv2.py; says one fact a line.
local folder, name = arg[1], arg[2]
AudioEngine:set_backend("None (Dummy)", "", "")
local session = load_session(folder, name)
assert(session, "Ardour does not load the session")

local function say(...)
  local words = { "FACT" }
  for _, word in ipairs({ ... }) do
    words[#words + 1] = tostring(word)
  end
  print(table.concat(words, "\t"))
end

local function track_named(wanted)
  for route in session:get_routes():iter() do
    if route:name() == wanted then
      return route:to_track()
    end
  end
end

-- The number that Ardour's Lua has for a parameter, which counts control ports alone.
local function parameter(insert, wanted)
  local plugin, number = insert:plugin(0), 0
  for port = 0, plugin:parameter_count() - 1 do
    if plugin:parameter_is_control(port) then
      if plugin:parameter_is_input(port) and plugin:parameter_label(port) == wanted then
        return number
      end
      number = number + 1
    end
  end
end

local track = track_named("other")
track:set_strict_io(false)
local insert = track:nth_plugin(0)
if insert:isnil() then
  local plugin = ARDOUR.LuaAPI.new_plugin(session, "https://openband.org/plugins/stems_multi", ARDOUR.PluginType.LV2, "")
  assert(not plugin:isnil(), "Ardour does not find the plugin")
  assert(track:add_processor_by_index(plugin, 0, nil, true) == 0)
  insert = plugin
  local number = parameter(insert:to_insert(), "Drums")
  say("set", ARDOUR.LuaAPI.set_processor_param(insert, number, -9))
end
local inserted = insert:to_insert()
say("outputs", inserted:output_streams():n_audio())
say("latency", inserted:signal_latency())
say("drums", (ARDOUR.LuaAPI.get_processor_param(insert, parameter(inserted, "Drums"), true)))
local region = track:bounce_range(0, 2 * session:nominal_sample_rate(), ARDOUR.InterThreadInfo(), insert, true, "bounced")
say("bounced", region:to_audioregion():to_readable():n_channels())
session:save_state("", false, false, false, false, false)
close_session()
quit()
